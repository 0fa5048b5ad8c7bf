// An NVRTC that compiles kernels with g++: emulation.h and the given source become a shared library, which the fake driver
// loads. Libraries are kept in EMULATED_GPU_CACHE by a digest of all that they are made from.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "abi.h"

namespace {

enum Result { SUCCESS = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, COMPILATION = 6 };
const char* const NAMES[] = {"NVRTC_SUCCESS", "NVRTC_ERROR_OUT_OF_MEMORY", "NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
                             "NVRTC_ERROR_INVALID_INPUT", "NVRTC_ERROR_INVALID_PROGRAM", "NVRTC_ERROR_INVALID_OPTION",
                             "NVRTC_ERROR_COMPILATION"};
// No contraction: what is a multiply-add is written so. Locals that are never set hold a pattern, not zeros. An address that
// isn't aligned, and an index beyond a local array, trap. Not optimized: most of the time is the compiler's.
const char* const FLAGS =
    "-std=c++17 -O0 -w -ffp-contract=off -fno-strict-aliasing -fwrapv -fno-math-errno -fno-exceptions -fno-rtti "
    "-fsanitize=alignment,bounds -fsanitize-undefined-trap-on-error -fno-threadsafe-statics -fno-gnu-unique "
    "-fno-stack-protector -U_FORTIFY_SOURCE -fPIC "
#if __GNUC__ >= 12
    "-ftrivial-auto-var-init=pattern "
#endif
#ifdef __FMA__
    "-mfma -mavx2 "
#endif
    ;
std::string flags() {
    const char* more = getenv("EMULATED_FLAGS");
    const char* races = getenv("EMULATED_RACES");  // "1": see races.h
    return std::string(FLAGS) + (races && *races == '1' ? "-fsanitize=thread --param tsan-instrument-func-entry-exit=0 -DEMULATED_RACES " : "") + (more ? more : "");
}

struct Program {
    std::string source, log, image;
};

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}
bool exists(const std::string& path) { return access(path.c_str(), R_OK) == 0; }
std::string digest(const std::string& text) {
    unsigned __int128 hash = 0xcbf29ce484222325ull;  // FNV with 128 bits
    const unsigned __int128 prime = ((unsigned __int128)1 << 88) + 0x13b;
    for (unsigned char each : text) hash = (hash ^ each) * prime;
    char out[40];
    snprintf(out, sizeof out, "%016llx%016llx", (unsigned long long)(hash >> 64), (unsigned long long)hash);
    return out;
}
int run(const std::string& command) {
    const int status = system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

// The place behind a parenthesis that opens at `from` and closes.
size_t behind(const std::string& text, size_t from) {
    int depth = 0;
    for (size_t i = from; i < text.size(); i++) {
        depth += text[i] == '(';
        depth -= text[i] == ')';
        if (text[i] == ')' && !depth) return i + 1;
    }
    return text.size();
}
bool word(char c) { return isalnum((unsigned char)c) || c == '_'; }
void blank(std::string& text, size_t from, size_t end) {
    for (size_t i = from; i < end; i++)
        if (text[i] != '\n') text[i] = ' ';
}

// Takes the marks of kernels out of a preprocessed text, and describes each of them to the driver at its end.
std::string with_kernels(std::string text) {
    const std::string mark = "emulated_global", bounds = "emulated_bounds";
    std::string described;
    for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos;) {
        blank(text, at, at + mark.size());
        std::string name, limits;
        for (size_t i = at; i < text.size(); i++) {
            if (text.compare(i, bounds.size(), bounds) == 0) {
                const size_t open = text.find('(', i), end = behind(text, open);
                limits = text.substr(open, end - open);
                blank(text, i, end);
            } else if (text[i] == '(') {
                size_t last = i;
                while (last && !word(text[last - 1])) last--;
                size_t first = last;
                while (first && word(text[first - 1])) first--;
                name = text.substr(first, last - first);
                break;
            }
        }
        described += "extern \"C\" __attribute__((visibility(\"default\"))) const emulated::Kernel emulated_kernel_" + name +
                     " = emulated::Entry<&" + name + ">::described" + (limits.empty() ? "()" : limits) + ";\n";
    }
    return text + "\n" + described;
}

// `extern __shared__ T name[];` becomes a pointer to the shared memory of the launch; other shared variables become static.
std::string with_shared(const std::string& text) {
    static const std::regex dynamic(
        R"(extern\s+emulated_shared\s+(?:__attribute__\(\(aligned\(\d+\)\)\)\s*)?([\w:]+(?:\s+[\w:]+)*?)\s+(\w+)\s*\[\s*\]\s*;)");
    const std::string pointers =
        std::regex_replace(text, dynamic, "$1* const $2 = ($1*)emulated_runtime->shared;");
    return std::regex_replace(pointers, std::regex("(static\\s+)?\\bemulated_shared\\b"), "static");
}

int compile(Program& program, int architecture, bool flushes) {
    const std::string cache = getenv("EMULATED_GPU_CACHE") ? getenv("EMULATED_GPU_CACHE") : "/tmp";
    mkdir(cache.c_str(), 0777);
    const std::string own = digest(program.source + flags() + read(EMULATION "/emulation.h") + read(EMULATION "/abi.h") + __VERSION__);
    const std::string library = cache + "/" + own + ".so", base = cache + "/" + own + "." + std::to_string(getpid());
    if (!exists(library)) {
        std::ofstream(base + ".cu") << "#line 1 \"kernel.cu\"\n" << program.source;
        const std::string errors = " 2>" + base + ".log";
        int bad = run("g++ -E -x c++ " + flags() + " -include " EMULATION "/emulation.h " + base + ".cu -o " + base + ".ii" + errors);
        if (!bad) {
            std::ofstream(base + ".cpp") << with_kernels(with_shared(read(base + ".ii")));
            bad = run("g++ -c -x c++ -fpreprocessed " + flags() + " " + base + ".cpp -o " + base + ".o" + errors);
            if (!bad) bad = run("g++ -shared -nostdlib " + base + ".o -o " + base + ".so -lm -lc 2>>" + base + ".log");
        }
        if (!bad) rename((base + ".so").c_str(), library.c_str());
        program.log = read(base + ".log");
        for (const char* end : {".cu", ".ii", ".cpp", ".o", ".log"}) unlink((base + end).c_str());
        if (bad) return COMPILATION;
    }
    const std::string bytes = read(library);
    emulated::Image image{};
    memcpy(image.magic, emulated::MAGIC, sizeof image.magic);
    image.bytes = bytes.size();
    image.architecture = architecture;
    image.flushes = flushes;
    program.image = std::string((const char*)&image, sizeof image) + bytes;
    return SUCCESS;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default"))) int

extern "C" __attribute__((visibility("default"))) const char* nvrtcGetErrorString(int code) {
    return code >= 0 && code < 7 ? NAMES[code] : "NVRTC_ERROR unknown";
}
API nvrtcVersion(int* major, int* minor) { return *major = 13, *minor = 0, SUCCESS; }
const int ARCHITECTURES[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};  // those of CUDA 13.0
API nvrtcGetNumSupportedArchs(int* count) { return *count = std::size(ARCHITECTURES), SUCCESS; }
API nvrtcGetSupportedArchs(int* into) { return memcpy(into, ARCHITECTURES, sizeof ARCHITECTURES), SUCCESS; }
API nvrtcCreateProgram(Program** program, const char* source, const char*, int headers, const char* const*, const char* const*) {
    if (!source || headers) return INVALID_INPUT;
    *program = new Program{source, "", ""};
    return SUCCESS;
}
API nvrtcDestroyProgram(Program** program) {
    if (!*program) return INVALID_PROGRAM;
    delete *program;
    return *program = nullptr, SUCCESS;
}
API nvrtcCompileProgram(Program* program, int count, const char* const* options) {
    static const std::regex architecture("--gpu-architecture=sm_(\\d+)a?");
    static const std::regex known("--std=c\\+\\+17|-fmad=false|--fmad=false|-ftz=true|--ftz=true|-default-device|--ptxas-options=.*|-lineinfo");
    // The processor would flush doubles too, which -ftz does not.
    static const std::regex doubles("#define\\s+T\\s+double");
    int found = 0;
    bool flushes = false;
    for (int i = 0; i < count; i++) {
        std::cmatch match;
        flushes |= strstr(options[i], "-ftz=true") != nullptr;
        if (std::regex_match(options[i], match, architecture)) found = std::stoi(match[1]);
        else if (!std::regex_match(options[i], known)) {
            program->log = std::string("nvrtc: error: unrecognized option ") + options[i];
            return INVALID_OPTION;
        }
    }
    if (found < 75) {
        program->log = "nvrtc: error: invalid value for --gpu-architecture";
        return INVALID_OPTION;
    }
    return compile(*program, found, flushes && !std::regex_search(program->source, doubles));
}
API nvrtcGetProgramLogSize(Program* program, size_t* bytes) { return *bytes = program->log.size() + 1, SUCCESS; }
API nvrtcGetProgramLog(Program* program, char* log) { return memcpy(log, program->log.c_str(), program->log.size() + 1), SUCCESS; }
API nvrtcGetCUBINSize(Program* program, size_t* bytes) { return *bytes = program->image.size(), SUCCESS; }
API nvrtcGetCUBIN(Program* program, char* image) { return memcpy(image, program->image.data(), program->image.size()), SUCCESS; }
