// Devices, their contexts, events and errors: see libcuda.cpp.
#include <cstdio>
#include <cstring>

#include "state.h"

using namespace emulated;

namespace {
const std::map<int, const char*> NAMES = {
    {0, "CUDA_SUCCESS"}, {1, "CUDA_ERROR_INVALID_VALUE"}, {2, "CUDA_ERROR_OUT_OF_MEMORY"}, {3, "CUDA_ERROR_NOT_INITIALIZED"},
    {100, "CUDA_ERROR_NO_DEVICE"}, {101, "CUDA_ERROR_INVALID_DEVICE"}, {200, "CUDA_ERROR_INVALID_IMAGE"},
    {201, "CUDA_ERROR_INVALID_CONTEXT"}, {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"}, {214, "CUDA_ERROR_ECC_UNCORRECTABLE"},
    {300, "CUDA_ERROR_INVALID_SOURCE"}, {400, "CUDA_ERROR_INVALID_HANDLE"}, {500, "CUDA_ERROR_NOT_FOUND"}, {600, "CUDA_ERROR_NOT_READY"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS"}, {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"}, {702, "CUDA_ERROR_LAUNCH_TIMEOUT"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS"}, {719, "CUDA_ERROR_LAUNCH_FAILED"}, {999, "CUDA_ERROR_UNKNOWN"}};
int context_place;  // whose address is the context
}  // namespace

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
API cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = TOTAL_MEMORY, SUCCESS; }
API cuDeviceGetAttribute(int* value, int attribute, int device) {
    if (state.initialized != getpid()) return NOT_INITIALIZED;
    if (device < 0 || device >= state.devices) return INVALID_DEVICE;
    switch (attribute) {
        case 1: *value = MOST_THREADS; break;
        case 8: *value = STATIC_SHARED; break;
        case 10: *value = 32; break;
        case 12: *value = 65536; break;
        case 13: *value = 1980000; break;
        case 16: *value = 132; break;
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
    return current_context = context, SUCCESS;
}
API cuCtxGetCurrent(void** context) { return *context = current_context, SUCCESS; }
API cuCtxSynchronize() {
    USABLE;
    return SUCCESS;
}
API cuStreamSynchronize(void*) { return cuCtxSynchronize(); }

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
