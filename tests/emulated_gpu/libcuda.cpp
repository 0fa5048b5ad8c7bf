// A CUDA driver without a GPU: the functions that jobs/engines/cuda/driver.py calls, with CUDA's rules and error codes.
// A launch that fails spoils the context, as on a GPU: it returns success, and every later call its error.
//   EMULATED_CAPABILITY=9.0  EMULATED_DEVICES=1  EMULATED_MULTIPROCESSORS=132  EMULATED_MEMORY=bytes
//   EMULATED_FAULT=launch:3:700   the third launch of this process fails with error 700; also alloc:2:2, copy:1:719, module:1:300
//   EMULATED_ORDER=0   in which order blocks, warps and lanes run: 0 ascending, 1 descending, else drawn; both: each launch runs
//                      ascending and descending, and fails if the memory differs then, since a barrier is missing
//   EMULATED_LAUNCHES=file   a line is added for each launch: kernel, grid, block, shared bytes
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "fibers.h"
#include "memory.h"

using namespace emulated;

namespace {

enum Code {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
    INVALID_IMAGE = 200, INVALID_CONTEXT = 201, NO_BINARY_FOR_GPU = 209, INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600,
    ILLEGAL_ADDRESS = 700, LAUNCH_OUT_OF_RESOURCES = 701, MISALIGNED_ADDRESS = 716, LAUNCH_FAILED = 719
};
const std::map<int, const char*> NAMES = {
    {0, "CUDA_SUCCESS"}, {1, "CUDA_ERROR_INVALID_VALUE"}, {2, "CUDA_ERROR_OUT_OF_MEMORY"}, {3, "CUDA_ERROR_NOT_INITIALIZED"},
    {100, "CUDA_ERROR_NO_DEVICE"}, {101, "CUDA_ERROR_INVALID_DEVICE"}, {200, "CUDA_ERROR_INVALID_IMAGE"},
    {201, "CUDA_ERROR_INVALID_CONTEXT"}, {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"}, {214, "CUDA_ERROR_ECC_UNCORRECTABLE"},
    {300, "CUDA_ERROR_INVALID_SOURCE"}, {400, "CUDA_ERROR_INVALID_HANDLE"}, {500, "CUDA_ERROR_NOT_FOUND"}, {600, "CUDA_ERROR_NOT_READY"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS"}, {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"}, {702, "CUDA_ERROR_LAUNCH_TIMEOUT"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS"}, {719, "CUDA_ERROR_LAUNCH_FAILED"}, {999, "CUDA_ERROR_UNKNOWN"}};
constexpr int STATIC_SHARED = 48 * 1024, MOST_THREADS = 1024;

struct Module;
struct Function {
    const Kernel* kernel;
    Module* module;
    std::string name;
    int dynamic_shared = STATIC_SHARED;
};
struct Module {
    void* library;
    bool flushes;
    std::map<std::string, std::unique_ptr<Function>> functions;
};
struct Event {
    std::chrono::steady_clock::time_point at;
    bool recorded = false;
};

struct State {
    std::recursive_mutex mutex;
    pid_t initialized = 0;
    int retained = 0, spoilt = 0, devices = 1, capability = 90;
    std::string report, described;
    Memory memory;
    Runtime runtime{};
    Fibers fibers{runtime};
    std::map<std::string, int> counts, fault_at, fault_code;
    std::map<void*, std::unique_ptr<Module>> modules;
    std::map<void*, std::unique_ptr<Event>> events;
} state;
int context_place;
thread_local void* current = nullptr;

std::string setting(const char* name, const char* otherwise) {
    const char* found = getenv(name);
    return found && *found ? found : otherwise;
}
size_t total_memory() { return std::stoull(setting("EMULATED_MEMORY", "4294967296")); }
int shared_of_multiprocessor() {
    switch (state.capability) {
        case 80: case 87: return 164 * 1024;
        case 86: case 89: case 120: case 121: return 100 * 1024;
        case 90: case 100: case 103: return 228 * 1024;
        default: return 64 * 1024;
    }
}
int shared_of_block() { return shared_of_multiprocessor() - 1024; }

// CUDA_VISIBLE_DEVICES ends at the first entry that is no device.
int visible_devices() {
    const int present = std::stoi(setting("EMULATED_DEVICES", "1"));
    const char* visible = getenv("CUDA_VISIBLE_DEVICES");
    if (!visible) return present;
    int count = 0;
    for (const char* at = visible; *at;) {
        char* end;
        const long each = strtol(at, &end, 10);
        if (end == at || each < 0 || each >= present) break;
        count++;
        at = *end == ',' ? end + 1 : end;
        if (at == end) break;
    }
    return count;
}

int spoil(int code, const std::string& what) {
    state.spoilt = code;
    state.report = what;
    return code;
}
// A fault that was asked for at this call of its kind.
bool injected(const char* kind) {
    const int count = ++state.counts[kind];
    const auto found = state.fault_at.find(kind);
    if (found == state.fault_at.end() || found->second != count) return false;
    spoil(state.fault_code[kind], "a fault that was asked for");
    return true;
}
void read_fault() {
    const std::string text = setting("EMULATED_FAULT", "");
    const size_t first = text.find(':'), second = text.rfind(':');
    if (first == std::string::npos || second == first) return;
    state.fault_at[text.substr(0, first)] = std::stoi(text.substr(first + 1));
    state.fault_code[text.substr(0, first)] = std::stoi(text.substr(second + 1));
}
Failure run(const Launch& launch) {
    const std::string order = setting("EMULATED_ORDER", "0");
    if (order != "both") return state.fibers.run(launch, (unsigned)std::stoul(order));
    const std::string before = state.memory.content();
    Failure failure = state.fibers.run(launch, 0);
    if (failure.code) return failure;
    const std::string ascending = state.memory.content();
    state.memory.restore(before);
    failure = state.fibers.run(launch, 1);
    if (!failure.code && state.memory.content() != ascending)
        return {LAUNCH_FAILED, "memory depends on the order in which threads run"};
    return failure;
}
// What every call needs that uses the context.
int usable() {
    if (state.initialized != getpid()) return NOT_INITIALIZED;
    if (!current || !state.retained) return INVALID_CONTEXT;
    return state.spoilt;
}
int refused(const std::string& why, int code = INVALID_VALUE) {
    state.report = why;
    return code;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default"))) int
#define LOCKED std::lock_guard<std::recursive_mutex> lock(state.mutex)
#define USABLE                          \
    LOCKED;                             \
    if (int bad = usable()) return bad

API cuInit(unsigned flags) {
    LOCKED;
    if (flags) return INVALID_VALUE;
    if (state.initialized && state.initialized != getpid()) return NOT_INITIALIZED;  // CUDA doesn't survive a fork
    state.devices = visible_devices();
    const std::string text = setting("EMULATED_CAPABILITY", "9.0");
    const size_t dot = text.find('.');
    state.capability = std::stoi(text.substr(0, dot)) * 10 + std::stoi(text.substr(dot + 1));
    if (!state.devices) return NO_DEVICE;
    if (!state.initialized) read_fault();
    state.initialized = getpid();
    return SUCCESS;
}
API cuDriverGetVersion(int* version) { return *version = 13000, SUCCESS; }
API cuDeviceGetCount(int* count) {
    if (state.initialized != getpid()) return NOT_INITIALIZED;
    return *count = state.devices, SUCCESS;
}
API cuDeviceGet(int* device, int index) {
    if (state.initialized != getpid()) return NOT_INITIALIZED;
    if (index < 0 || index >= state.devices) return INVALID_DEVICE;
    return *device = index, SUCCESS;
}
API cuDeviceGetName(char* name, int length, int device) {
    if (device < 0 || device >= state.devices) return INVALID_DEVICE;
    return snprintf(name, length, "Emulated GPU"), SUCCESS;
}
API cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = total_memory(), SUCCESS; }
API cuDeviceGetAttribute(int* value, int attribute, int device) {
    if (state.initialized != getpid()) return NOT_INITIALIZED;
    if (device < 0 || device >= state.devices) return INVALID_DEVICE;
    switch (attribute) {
        case 1: *value = MOST_THREADS; break;
        case 8: *value = STATIC_SHARED; break;
        case 10: *value = 32; break;
        case 12: *value = 65536; break;
        case 13: *value = 1980000; break;
        case 16: *value = std::stoi(setting("EMULATED_MULTIPROCESSORS", "132")); break;
        case 39: *value = 2048; break;
        case 75: *value = state.capability / 10; break;
        case 76: *value = state.capability % 10; break;
        case 81: *value = shared_of_multiprocessor(); break;
        case 97: *value = shared_of_block(); break;
        default: return refused("the emulation has no device attribute " + std::to_string(attribute));
    }
    return SUCCESS;
}
API cuDevicePrimaryCtxSetFlags_v2(int device, unsigned) { return device < state.devices ? SUCCESS : INVALID_DEVICE; }
API cuDevicePrimaryCtxRetain(void** context, int device) {
    LOCKED;
    if (state.initialized != getpid()) return NOT_INITIALIZED;
    if (device < 0 || device >= state.devices) return INVALID_DEVICE;
    if (state.spoilt) return state.spoilt;
    state.retained++;
    return *context = &context_place, SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(int) {
    LOCKED;
    if (!state.retained) return INVALID_CONTEXT;
    return state.retained--, SUCCESS;
}
API cuCtxSetCurrent(void* context) {
    if (state.initialized != getpid()) return NOT_INITIALIZED;
    if (context && context != &context_place) return INVALID_CONTEXT;
    return current = context, SUCCESS;
}
API cuCtxGetCurrent(void** context) { return *context = current, SUCCESS; }
API cuCtxSynchronize() {
    USABLE;
    return SUCCESS;
}
API cuStreamSynchronize(void*) { return cuCtxSynchronize(); }

API cuMemGetInfo_v2(size_t* free, size_t* total) {
    USABLE;
    *total = total_memory();
    return *free = *total - state.memory.used(), SUCCESS;
}
API cuMemAlloc_v2(char** start, size_t bytes) {
    USABLE;
    if (!bytes) return refused("an allocation of 0 bytes");
    if (state.memory.used() + bytes > total_memory()) return OUT_OF_MEMORY;
    if (injected("alloc")) {
        const int code = state.spoilt;
        if (code == OUT_OF_MEMORY) state.spoilt = 0;
        return code;
    }
    *start = state.memory.allocate(bytes);
    return *start ? SUCCESS : OUT_OF_MEMORY;
}
API cuMemFree_v2(char* start) {
    LOCKED;
    const bool found = state.memory.release(start);  // even if the context is spoilt, for tests that go on in this process
    if (int bad = usable()) return bad;
    return found ? SUCCESS : refused("cuMemFree of what is no allocation");
}
API cuMemcpyHtoD_v2(char* to, const void* from, size_t bytes) {
    USABLE;
    if (injected("copy")) return state.spoilt;
    if (!state.memory.holds(to, bytes)) return refused("a copy to what is no device memory");
    return memcpy(to, from, bytes), SUCCESS;
}
API cuMemcpyDtoH_v2(void* to, const char* from, size_t bytes) {
    USABLE;
    if (injected("copy")) return state.spoilt;
    bool found = state.memory.holds(from, bytes);
    Dl_info info;
    found = found || (dladdr(from, &info) && state.modules.count((void*)from) == 0);
    if (!found) return refused("a copy from what is no device memory");
    return memcpy(to, from, bytes), SUCCESS;
}
API cuMemcpyDtoD_v2(char* to, const char* from, size_t bytes) {
    USABLE;
    if (!state.memory.holds(to, bytes) || !state.memory.holds(from, bytes)) return refused("a copy of what is no device memory");
    return memmove(to, from, bytes), SUCCESS;
}
API cuMemsetD8_v2(char* to, unsigned char value, size_t bytes) {
    USABLE;
    if (!state.memory.holds(to, bytes)) return refused("cuMemsetD8 of what is no device memory");
    return memset(to, value, bytes), SUCCESS;
}

API cuModuleLoadData(void** module, const void* bytes) {
    USABLE;
    if (injected("module")) {
        const int code = state.spoilt;
        return state.spoilt = 0, code;
    }
    const Image* image = (const Image*)bytes;
    if (memcmp(image->magic, MAGIC, sizeof MAGIC)) return INVALID_IMAGE;
    if (image->architecture / 10 != state.capability / 10 || image->architecture > state.capability) return NO_BINARY_FOR_GPU;
    char name[] = "/tmp/emulated-gpu-XXXXXX";  // its own name each time: dlopen would return a library of the same name
    const int file = mkstemp(name);
    const bool written = file >= 0 && write(file, image + 1, image->bytes) == (ssize_t)image->bytes;
    close(file);
    void* library = written ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (!library) refused(dlerror());
    unlink(name);
    if (!library) return INVALID_IMAGE;
    *(Runtime**)dlsym(library, "emulated_runtime") = &state.runtime;
    auto owned = std::make_unique<Module>();
    owned->library = library;
    owned->flushes = image->flushes;
    *module = owned.get();
    state.modules[owned.get()] = std::move(owned);
    return SUCCESS;
}
API cuModuleUnload(void* module) {
    USABLE;
    const auto found = state.modules.find(module);
    if (found == state.modules.end()) return INVALID_HANDLE;
    dlclose(found->second->library);
    state.modules.erase(found);
    return SUCCESS;
}
API cuModuleGetFunction(void** function, void* module, const char* name) {
    USABLE;
    const auto found = state.modules.find(module);
    if (found == state.modules.end()) return INVALID_HANDLE;
    const Kernel* kernel = (const Kernel*)dlsym(found->second->library, (std::string("emulated_kernel_") + name).c_str());
    if (!kernel) return NOT_FOUND;
    auto& owned = found->second->functions[name];
    if (!owned) owned.reset(new Function{kernel, found->second.get(), name});
    return *function = owned.get(), SUCCESS;
}
API cuModuleGetGlobal_v2(char** start, size_t* bytes, void* module, const char* name) {
    USABLE;
    const auto found = state.modules.find(module);
    if (found == state.modules.end()) return INVALID_HANDLE;
    char* place = (char*)dlsym(found->second->library, name);
    Dl_info info;
    ElfW(Sym)* symbol = nullptr;
    if (!place || !dladdr1(place, &info, (void**)&symbol, RTLD_DL_SYMENT) || !symbol) return NOT_FOUND;
    *start = place;
    return *bytes = symbol->st_size, SUCCESS;
}
API cuFuncGetParamInfo(Function* function, size_t index, size_t* offset, size_t* bytes) {
    USABLE;
    const Kernel& kernel = *function->kernel;
    if (index >= (size_t)kernel.parameters) return INVALID_VALUE;
    *offset = 0;
    for (size_t i = 0;; i++) {
        const size_t aligned = kernel.sizes[i] < 8 ? kernel.sizes[i] : 8;
        *offset = (*offset + aligned - 1) / aligned * aligned;
        if (i == index) break;
        *offset += kernel.sizes[i];
    }
    return *bytes = kernel.sizes[index], SUCCESS;
}
API cuFuncSetAttribute(Function* function, int attribute, int value) {
    USABLE;
    if (attribute != 8) return SUCCESS;
    if (value < 0 || value > shared_of_block()) return refused("more shared memory than a block can have");
    return function->dynamic_shared = value, SUCCESS;
}
API cuFuncGetAttribute(int* value, int attribute, Function* function) {
    USABLE;
    switch (attribute) {
        case 0: *value = function->kernel->most_threads ? function->kernel->most_threads : MOST_THREADS; break;
        case 1: *value = 0; break;                          // static shared bytes
        case 3: *value = 0; break;                          // local bytes: what was spilt
        case 4: *value = 64; break;                         // registers
        case 8: *value = function->dynamic_shared; break;
        default: return refused("the emulation has no function attribute " + std::to_string(attribute));
    }
    return SUCCESS;
}
API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function*, int threads, size_t shared) {
    USABLE;
    const int by_shared = shared_of_multiprocessor() / ((int)shared + 1024), by_threads = 2048 / threads;
    *blocks = std::min(std::min(by_shared, by_threads), 32);
    return SUCCESS;
}
API cuLaunchKernel(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned x, unsigned y, unsigned z,
                   unsigned shared, void*, void** arguments, void** extra) {
    USABLE;
    const u64 threads = (u64)x * y * z;
    if (!grid_x || !grid_y || !grid_z || !threads) return refused("a grid or block of no size");
    if (grid_x > 0x7fffffffu || grid_y > 65535 || grid_z > 65535) return refused("a grid that is too large");
    if (threads > (u64)MOST_THREADS || x > 1024 || y > 1024 || z > 64) return refused("a block that is too large");
    if (extra) return refused("extra arguments");
    if (function->kernel->parameters && !arguments) return refused("no arguments");
    if ((int)shared > function->dynamic_shared) return refused("more shared memory than the function's attribute allows");
    if (function->kernel->most_threads && threads > function->kernel->most_threads)
        return refused("more threads than the kernel's launch bound", LAUNCH_OUT_OF_RESOURCES);
    if (FILE* log = getenv("EMULATED_LAUNCHES") ? fopen(getenv("EMULATED_LAUNCHES"), "a") : nullptr) {
        fprintf(log, "%s %u,%u,%u %u,%u,%u %u\n", function->name.c_str(), grid_x, grid_y, grid_z, x, y, z, shared);
        fclose(log);
    }
    if (injected("launch")) return SUCCESS;
    const unsigned control = _mm_getcsr();
    if (function->module->flushes) _mm_setcsr(control | 0x8040);  // results, and operands
    const Failure failure = run({function->kernel, arguments, {grid_x, grid_y, grid_z}, {x, y, z}, shared});
    _mm_setcsr(control);
    if (failure.code) spoil(failure.code, failure.what + ", kernel " + function->name);
    const std::string damage = state.memory.damage();
    if (!state.spoilt && !damage.empty()) spoil(ILLEGAL_ADDRESS, damage + ", kernel " + function->name);
    return SUCCESS;
}

API cuEventCreate(void** event, unsigned) {
    USABLE;
    auto owned = std::make_unique<Event>();
    *event = owned.get();
    state.events[owned.get()] = std::move(owned);
    return SUCCESS;
}
API cuEventDestroy_v2(void* event) {
    USABLE;
    return state.events.erase(event) ? SUCCESS : INVALID_HANDLE;
}
API cuEventRecord(Event* event, void*) {
    USABLE;
    if (!state.events.count(event)) return INVALID_HANDLE;
    event->at = std::chrono::steady_clock::now();
    return event->recorded = true, SUCCESS;
}
API cuEventQuery(Event* event) {
    USABLE;
    return state.events.count(event) ? SUCCESS : INVALID_HANDLE;
}
API cuEventSynchronize(Event* event) { return cuEventQuery(event); }
API cuEventElapsedTime_v2(float* milliseconds, Event* from, Event* to) {
    USABLE;
    if (!state.events.count(from) || !state.events.count(to) || !from->recorded || !to->recorded) return INVALID_HANDLE;
    *milliseconds = std::chrono::duration<float, std::milli>(to->at - from->at).count();
    return SUCCESS;
}
API cuEventElapsedTime(float* milliseconds, Event* from, Event* to) { return cuEventElapsedTime_v2(milliseconds, from, to); }

API cuGetErrorName(int code, const char** name) {
    const auto found = NAMES.find(code);
    return found == NAMES.end() ? INVALID_VALUE : (*name = found->second, SUCCESS);
}
API cuGetErrorString(int code, const char** text) {
    LOCKED;
    state.described = state.report.empty() ? "the emulated driver refused this call" : state.report;
    return *text = state.described.c_str(), SUCCESS;
}
// For tests: makes the nth next call of a kind (launch, alloc, copy, module) fail.
API emulated_fail(const char* kind, int next, int code) {
    LOCKED;
    state.fault_at[kind] = state.counts[kind] + next;
    return state.fault_code[kind] = code, SUCCESS;
}
// For tests: as if the process were a new one.
API emulated_reset() {
    LOCKED;
    state.spoilt = 0;
    state.report.clear();
    state.fault_at.clear();
    return SUCCESS;
}
