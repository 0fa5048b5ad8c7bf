// Runs the threads of a block as fibers: one runs until it waits for others or ends, then the next. A warp whose lanes wait at
// different places, or for lanes that have ended elsewhere, is an error: on a GPU it would give wrong numbers silently.
// Not for several launches at once.
#pragma once
#include <csetjmp>
#include <csignal>
#include <string>
#include <vector>

#include "abi.h"
#include "memory.h"
#include "races.h"

namespace emulated {

struct Failure {
    int code = 0;  // of the CUDA driver
    std::string what;
};

struct Launch {
    const Kernel* kernel;
    void** arguments;
    Index grid, block;
    unsigned shared_bytes;
    const char *statics, *statics_end;  // of the module: shared variables that aren't dynamic are among them
};

class Fibers {
public:
    Fibers(Runtime& runtime, const Memory& memory);
    // Runs all blocks in an order that depends on `order`: 0 ascending, 1 descending, else drawn anew each time.
    Failure run(const Launch& launch, unsigned order);

private:
    struct Warp {
        Lane* lanes;
        unsigned count;
        u64 published[32];
        unsigned present;
        unsigned barriers;
    };
    void block();
    void start(Lane& lane, unsigned index);
    void warp(Warp& warp);
    void resume(Warp& warp, Lane& lane);
    bool released(Warp& warp);
    bool released(Warp& warp, unsigned mask);
    bool all_ended_or_released();
    [[noreturn]] void stuck(const Warp& warp);
    void permute(std::vector<unsigned>& places);
    char* stack_of(unsigned index);
    char* shared_of(unsigned bytes);
    static void enter();
    static void park();
    static void fail(const char* what);
    static void touch(const void* from, unsigned bytes, bool writes);
    void touched(const char* from, unsigned bytes, bool writes);
    static void on_signal(int signal, siginfo_t* info, void* context);
    [[noreturn]] void end(int code, const std::string& what);

    Runtime& runtime_;
    const Memory& memory_;
    Races races_;
    unsigned blocks_ = 0, barriers_ = 0;  // so far
    Launch launch_{};
    Failure failure_;
    std::vector<Lane> lanes_;
    std::vector<Warp> warps_;
    std::vector<unsigned> warp_order_, lane_order_;
    std::vector<char*> stacks_;
    char* shared_room_ = nullptr;
    unsigned order_ = 0;
    u64 random_ = 0;
    void* scheduler_ = nullptr;
    sigjmp_buf out_;
};

}  // namespace emulated
