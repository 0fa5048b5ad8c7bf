#include "state.h"

#include <cstdlib>

namespace emulated {

State state;
thread_local void* current_context = nullptr;

std::string setting(const char* name, const char* otherwise) {
    const char* found = getenv(name);
    return found && *found ? found : otherwise;
}
int shared_of_multiprocessor() {
    switch (state.capability) {
        case 80: case 87: return 164 * 1024;
        case 86: case 89: case 120: case 121: return 100 * 1024;
        case 90: case 100: case 103: return 228 * 1024;
        default: return 64 * 1024;
    }
}
int shared_of_block() { return shared_of_multiprocessor() - 1024; }

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
int usable() {
    if (state.initialized != getpid()) return NOT_INITIALIZED;
    if (!current_context || !state.retained) return INVALID_CONTEXT;
    return state.spoilt;
}
int refused(const std::string& why, int code) {
    state.report = why;
    return code;
}

}  // namespace emulated
