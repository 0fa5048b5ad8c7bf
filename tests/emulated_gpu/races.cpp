#include "races.h"

#include <cstring>

namespace emulated {
namespace {
constexpr unsigned WORD = 4;

std::string text(const Moment& of) {
    const std::string place = of.place.file ? std::string(of.place.file) + ":" + std::to_string(of.place.line) : "its start";
    return "lane " + std::to_string(of.lane) + " of warp " + std::to_string(of.warp) + " after " + place;
}
std::string race(const char* kind, const Moment& before, const Moment& now) {
    return std::string("a race: ") + kind + ", by " + text(before) + " and by " + text(now);
}
// Whether what another moment did is seen by this one, and doesn't come after it.
bool ordered(const Moment& before, const Moment& now) {
    if (before.block != now.block) return false;
    if (before.warp != now.warp) return before.of_block != now.of_block;
    return before.lane == now.lane || before.of_warp != now.of_warp;
}
unsigned value(const char* at) {
    unsigned found;
    memcpy(&found, at, WORD);
    return found;
}
}  // namespace

void Races::begin() {
    words_.clear();
    doubts_.clear();
}

std::string Races::pending() {
    std::string what;
    for (const Doubt& each : doubts_)
        if (value(each.at) != each.before) what = each.what;
    doubts_.clear();
    return what;
}

std::string Races::touch(const char* from, unsigned bytes, bool writes, bool is_shared, const Moment& now) {
    std::string what;
    const char* const end = from + bytes;
    for (const char* at = from - (size_t)from % WORD; at < end && what.empty(); at += WORD) {
        Word& word = words_[at];
        what = writes ? write(word, at, is_shared, now) : read(word, is_shared, now);
    }
    return what;
}

std::string Races::write(Word& word, const char* at, bool is_shared, const Moment& now) {
    if (is_shared && word.is_written && word.written.block != now.block) word.is_written = false;
    if (is_shared && word.is_read && word.read.block != now.block) word.is_read = false;
    // All may write the same value.
    if (word.is_written && !ordered(word.written, now)) doubts_.push_back({at, value(at), race("two writes", word.written, now)});
    if (word.is_read) {
        const bool other_warp = word.read.of_block == now.of_block && (word.warps & ~(1u << now.warp));
        const bool other_lane = word.read.warp == now.warp && word.read.of_warp == now.of_warp && (word.lanes & ~(1u << now.lane));
        const bool other_block = word.many_blocks || word.read.block != now.block;
        if (other_block || other_warp || other_lane) return race("a read and then a write", word.read, now);
    }
    word.written = now;
    word.is_written = true;
    return "";
}

std::string Races::read(Word& word, bool is_shared, const Moment& now) {
    if (is_shared && word.is_written && word.written.block != now.block) word.is_written = false;
    if (is_shared && word.is_read && word.read.block != now.block) word.is_read = false;
    if (word.is_written && !ordered(word.written, now)) return race("a write and then a read", word.written, now);
    const bool first = !word.is_read, same_block = !first && word.read.block == now.block;
    if (first) word.many_blocks = false;
    word.many_blocks |= !first && !same_block;
    if (!same_block || word.read.of_block != now.of_block) word.warps = 0;
    if (!same_block || word.read.warp != now.warp || word.read.of_warp != now.of_warp) word.lanes = 0;
    word.warps |= 1u << now.warp, word.lanes |= 1u << now.lane;
    word.read = now;
    word.is_read = true;
    return "";
}

}  // namespace emulated
