// Device memory of the emulated GPU: each allocation ends where an inaccessible page begins, and starts in one whose rest is a
// red zone. What a kernel or a copy writes outside is found.
#pragma once
#include <cstddef>
#include <map>
#include <string>

namespace emulated {

class Memory {
public:
    char* allocate(size_t bytes);  // filled with bytes that are NaN as numbers
    bool release(char* start);     // false if it is no allocation
    bool holds(const void* from, size_t bytes) const;
    std::string damage();  // what was written into red zones, or ""
    std::string content() const;                // of all allocations
    void restore(const std::string& content);  // that of the same allocations
    size_t used() const { return used_; }

private:
    struct Block {
        char* room;
        size_t room_bytes, bytes;
    };
    std::map<char*, Block> blocks_;
    size_t used_ = 0;
};

}  // namespace emulated
