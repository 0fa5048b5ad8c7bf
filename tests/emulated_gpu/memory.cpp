#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace emulated {
namespace {
constexpr size_t PAGE = 4096, ALIGNED = 16;
constexpr unsigned char RED = 0xa5;
bool red(const char* from, const char* end) {
    return std::all_of(from, end, [](char each) { return (unsigned char)each == RED; });
}
}  // namespace

char* Memory::allocate(size_t bytes) {
    const size_t rounded = (bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
    const size_t inner = (rounded + PAGE) / PAGE * PAGE;  // room for a red zone even before whole pages
    void* room = mmap(nullptr, inner + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return nullptr;
    char* first = (char*)room + PAGE;
    mprotect(first, inner, PROT_READ | PROT_WRITE);
    char* start = first + inner - rounded;
    memset(first, RED, start - first);
    memset(start, 0xff, bytes);
    memset(start + bytes, RED, rounded - bytes);
    blocks_[start] = {(char*)room, inner + 2 * PAGE, bytes};
    used_ += bytes;
    return start;
}

bool Memory::release(char* start) {
    const auto found = blocks_.find(start);
    if (found == blocks_.end()) return false;
    used_ -= found->second.bytes;
    munmap(found->second.room, found->second.room_bytes);
    blocks_.erase(found);
    return true;
}

bool Memory::holds(const void* from, size_t bytes) const {
    auto after = blocks_.upper_bound((char*)from);
    if (after == blocks_.begin()) return false;
    const auto& [start, block] = *--after;
    return (const char*)from + bytes <= start + block.bytes;
}

std::string Memory::content() const {
    std::string all;
    all.reserve(used_);
    for (const auto& [start, block] : blocks_) all.append(start, block.bytes);
    return all;
}

void Memory::restore(const std::string& content) {
    const char* from = content.data();
    for (const auto& [start, block] : blocks_) {
        memcpy(start, from, block.bytes);
        from += block.bytes;
    }
}

std::string Memory::damage() {
    for (const auto& [start, block] : blocks_) {
        char *first = block.room + PAGE, *end = block.room + block.room_bytes - PAGE;
        const bool before = !red(first, start);
        if (!before && red(start + block.bytes, end)) continue;
        memset(first, RED, start - first);  // so that it is told once
        memset(start + block.bytes, RED, end - start - block.bytes);
        return std::string("something was written ") + (before ? "before" : "behind") + " an allocation of " +
               std::to_string(block.bytes) + " bytes";
    }
    return "";
}

}  // namespace emulated
