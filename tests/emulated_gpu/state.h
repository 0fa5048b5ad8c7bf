// What the emulated driver's functions have in common.
#pragma once
#include <unistd.h>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "fibers.h"
#include "memory.h"

namespace emulated {

enum Code {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
    INVALID_IMAGE = 200, INVALID_CONTEXT = 201, NO_BINARY_FOR_GPU = 209, INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600,
    ILLEGAL_ADDRESS = 700, LAUNCH_OUT_OF_RESOURCES = 701, MISALIGNED_ADDRESS = 716, LAUNCH_FAILED = 719
};
constexpr int STATIC_SHARED = 48 * 1024, MOST_THREADS = 1024;
constexpr size_t TOTAL_MEMORY = 4ull << 30;

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
    const char *statics, *statics_end;  // its variables
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
    Fibers fibers{runtime, memory};
    std::map<std::string, int> counts, fault_at, fault_code;
    std::map<void*, std::unique_ptr<Module>> modules;
    std::map<void*, std::unique_ptr<Event>> events;
};
extern State state;
extern thread_local void* current_context;

std::string setting(const char* name, const char* otherwise);  // of the environment
int shared_of_multiprocessor();
int shared_of_block();
int visible_devices();  // CUDA_VISIBLE_DEVICES ends at the first entry that is no device
void read_fault();
int spoil(int code, const std::string& what);
bool injected(const char* kind);  // a fault that was asked for at this call of its kind
int usable();                     // what every call needs that uses the context
int refused(const std::string& why, int code = INVALID_VALUE);

}  // namespace emulated

#define API extern "C" __attribute__((visibility("default"))) int
#define LOCKED std::lock_guard<std::recursive_mutex> lock(state.mutex)
#define USABLE                          \
    LOCKED;                             \
    if (int bad = usable()) return bad
