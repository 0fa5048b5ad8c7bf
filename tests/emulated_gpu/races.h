// Looks for races: two threads of a launch touch the same number, one of them writes it, and nothing orders the two.
//
// What orders threads is __syncthreads for a block, and __syncwarp with all lanes for a warp. A shuffle does not: on a GPU it
// exchanges registers and says nothing of memory. It takes no luck: one order of the threads shows the races of all orders.
// With EMULATED_RACES=1 the kernels are compiled so that each access to memory calls `touch`.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "abi.h"

namespace emulated {

// Where a thread is: its block, and how many barriers there have been, of the launch and of its warp.
struct Moment {
    unsigned block, warp, lane, of_block, of_warp;
    Place place;
};

class Races {
public:
    void begin();
    // Words of shared memory are known by their addresses in one block after the other; the others are global. Returns what is
    // wrong, or nothing.
    std::string touch(const char* from, unsigned bytes, bool writes, bool is_shared, const Moment& now);
    // Whether a word that two threads wrote got another value by that: asked before the next access.
    std::string pending();

private:
    struct Word {
        Moment written, read;  // at last
        bool is_written, is_read, many_blocks;
        unsigned warps, lanes;  // that read since the last barrier of the block; of the last one's warp, since that of the warp
    };
    struct Doubt {
        const char* at;
        unsigned before;
        std::string what;
    };
    std::string write(Word& word, const char* at, bool is_shared, const Moment& now);
    std::string read(Word& word, bool is_shared, const Moment& now);
    std::unordered_map<const char*, Word> words_;
    std::vector<Doubt> doubts_;
};

}  // namespace emulated
