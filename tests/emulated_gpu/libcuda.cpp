// A CUDA driver without a GPU: the functions that jobs/engines/cuda/driver.py calls, with CUDA's rules and error codes.
// A launch that fails spoils the context, as on a GPU: it returns success, and every later call its error.
//   EMULATED_CAPABILITY=9.0  EMULATED_DEVICES=1
//   EMULATED_FAULT=launch:3:700   the third launch of this process fails with error 700; also alloc:2:2, copy:1:719, module:1:300
//   EMULATED_ORDER=0   in which order blocks, warps and lanes run: 0 ascending, 1 descending, else drawn; both: each launch runs
//                      ascending and descending, and fails if the memory differs then, since a barrier is missing
//   EMULATED_RACES=1   races are found: see races.h
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "state.h"

using namespace emulated;

namespace {
Failure run(const Launch& launch) {
    const std::string order = setting("EMULATED_ORDER", "0");
    if (order != "both" || setting("EMULATED_RACES", "") == "1") return state.fibers.run(launch, order == "both" ? 0 : (unsigned)std::stoul(order));
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

// Where the variables of a module are: the segment of `emulated_runtime`, which is one of them.
void find_statics(Module& module) {
    const char* const own = (const char*)dlsym(module.library, "emulated_runtime");
    module.statics = module.statics_end = own;
    std::pair<const char*, Module*> given{own, &module};
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* data) {
            auto& [own, module] = *(std::pair<const char*, Module*>*)data;
            for (int i = 0; i < info->dlpi_phnum; i++) {
                const auto& segment = info->dlpi_phdr[i];
                const char* const first = (const char*)info->dlpi_addr + segment.p_vaddr;
                if (segment.p_type == PT_LOAD && own >= first && own < first + segment.p_memsz)
                    module->statics = first, module->statics_end = first + segment.p_memsz;
            }
            return 0;
        },
        &given);
}
}  // namespace

API cuMemGetInfo_v2(size_t* free, size_t* total) {
    USABLE;
    *total = TOTAL_MEMORY;
    return *free = *total - state.memory.used(), SUCCESS;
}
API cuMemAlloc_v2(char** start, size_t bytes) {
    USABLE;
    if (!bytes) return refused("an allocation of 0 bytes");
    if (state.memory.used() + bytes > TOTAL_MEMORY) return OUT_OF_MEMORY;
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
    find_statics(*owned);
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
    if (injected("launch")) return SUCCESS;
    const unsigned control = _mm_getcsr();
    if (function->module->flushes) _mm_setcsr(control | 0x8040);  // results, and operands
    const Failure failure = run({function->kernel, arguments, {grid_x, grid_y, grid_z}, {x, y, z}, shared,
                                 function->module->statics, function->module->statics_end});
    _mm_setcsr(control);
    if (failure.code) spoil(failure.code, failure.what + ", kernel " + function->name);
    const std::string damage = state.memory.damage();
    if (!state.spoilt && !damage.empty()) spoil(ILLEGAL_ADDRESS, damage + ", kernel " + function->name);
    return SUCCESS;
}
