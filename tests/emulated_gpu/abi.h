// What the emulated driver (libcuda.cpp) and a compiled kernel (emulation.h) know of each other. It includes nothing:
// kernels are compiled without any header of the host.
#pragma once

namespace emulated {

typedef unsigned long long u64;

struct Index {
    unsigned x, y, z;
};

enum Kind : unsigned { RUNNING, EXITED, BLOCK_BARRIER, WARP_BARRIER, SHUFFLE, VOTE };

struct Place {
    const char* file;
    unsigned line;
};

// One thread of the block that runs; a fiber.
struct Lane {
    Index thread;
    Kind kind;      // RUNNING, or what it waits at
    Place place;    // where in the source
    unsigned mask;  // with which lanes of its warp
    u64 value;      // what it gives to the others
    void* stack;    // where its stack stands while another one runs
};

struct Runtime {
    Lane* lane;            // the one that runs
    const u64* published;  // what the lanes of its warp gave in the last exchange
    unsigned present;      // which of them took part
    Index block, block_size, grid_size;
    char* shared;
    void (*park)();             // lets the others run until what the lane waits at is complete
    void (*fail)(const char*);  // ends the launch with an error; doesn't return
    void (*touch)(const void* from, unsigned bytes, bool writes);  // of a thread: looks for races
};

struct Kernel {
    int parameters;
    const unsigned* sizes;
    void (*call)(void** arguments);
    unsigned most_threads;  // its launch bound, or 0
};

// Stands before the bytes of a shared library in an image.
struct Image {
    char magic[16];
    u64 bytes;
    int architecture;
    int flushes;  // whether denormal floats count as zero
};
constexpr char MAGIC[16] = "emulated cubin1";

}  // namespace emulated
