#include "fibers.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#ifndef __x86_64__
#error "The switch between fibers is written for x86-64."
#endif
// Saves the registers that a call preserves, and goes on where the other stack was left.
asm(R"(
.text
.hidden emulated_switch
.globl emulated_switch
.type emulated_switch, @function
emulated_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulated_switch, .-emulated_switch
)");
extern "C" void emulated_switch(void** from, void* to);

namespace emulated {
namespace {

constexpr size_t PAGE = 4096, STACK = 256 * 1024, SHARED = 256 * 1024;
constexpr unsigned WARP = 32;
constexpr int ILLEGAL_ADDRESS = 700, MISALIGNED = 716, LAUNCH_FAILED = 719;
constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
const char* const KINDS[] = {"running", "ended", "__syncthreads", "__syncwarp", "a shuffle", "a vote"};
Fibers* running = nullptr;
pthread_t running_thread;

// Memory with an inaccessible page before and after it.
char* guarded(size_t bytes) {
    char* room = (char*)mmap(nullptr, bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) std::abort();
    mprotect(room + PAGE, bytes, PROT_READ | PROT_WRITE);
    return room + PAGE;
}

bool same(const Place& one, const Place& other) { return one.line == other.line && one.file == other.file; }
std::string text(const Place& place) {
    return place.file ? std::string(place.file) + ":" + std::to_string(place.line) : "its start";
}
std::string state_text(const Lane& lane) {
    return lane.kind == EXITED ? "have ended" : std::string("are at ") + KINDS[lane.kind] + " of " + text(lane.place);
}

}  // namespace

Fibers::Fibers(Runtime& runtime, const Memory& memory) : runtime_(runtime), memory_(memory) {
    runtime_.park = park;
    runtime_.fail = fail;
    runtime_.touch = touch;
}

char* Fibers::stack_of(unsigned index) {
    while (stacks_.size() <= index) stacks_.push_back(guarded(STACK));
    return stacks_[index] + STACK;
}

// Shared memory ends where an inaccessible page begins, and is full of NaN.
char* Fibers::shared_of(unsigned bytes) {
    if (!shared_room_) shared_room_ = guarded(SHARED);
    const size_t rounded = (bytes + 15) / 16 * 16;
    char* start = shared_room_ + SHARED - rounded;
    memset(start, 0xff, rounded);
    return start;
}

Failure Fibers::run(const Launch& launch, unsigned order) {
    launch_ = launch;
    order_ = order;
    random_ = order;
    failure_ = {};
    races_.begin();
    const unsigned threads = launch.block.x * launch.block.y * launch.block.z;
    lanes_.assign(threads, {});
    warps_.assign((threads + WARP - 1) / WARP, {});
    for (unsigned i = 0; i < warps_.size(); i++) {
        warps_[i].lanes = &lanes_[WARP * i];
        warps_[i].count = std::min(WARP, threads - WARP * i);
    }
    running = this;
    running_thread = pthread_self();
    runtime_.block_size = launch.block;
    runtime_.grid_size = launch.grid;

    // What a kernel does to memory that isn't its own ends the launch, not the process.
    static thread_local char* alternate = guarded(64 * 1024);
    stack_t own{}, before{};
    own.ss_sp = alternate;
    own.ss_size = 64 * 1024;
    sigaltstack(&own, &before);
    struct sigaction action {}, old[4];
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &action, &old[i]);
    if (!sigsetjmp(out_, 1)) {
        std::vector<unsigned> blocks(launch.grid.x * launch.grid.y * launch.grid.z);
        permute(blocks);
        for (unsigned b : blocks) {
            runtime_.block = {b % launch.grid.x, b / launch.grid.x % launch.grid.y, b / launch.grid.x / launch.grid.y};
            block();
        }
        if (const std::string what = races_.pending(); !what.empty()) end(LAUNCH_FAILED, what);
    }
    for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &old[i], nullptr);
    sigaltstack(&before, nullptr);
    running = nullptr;
    return failure_;
}

void Fibers::permute(std::vector<unsigned>& places) {
    std::iota(places.begin(), places.end(), 0u);
    if (order_ == 1) std::reverse(places.begin(), places.end());
    for (size_t i = places.size(); order_ > 1 && i > 1; i--) {
        random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
        std::swap(places[i - 1], places[(random_ >> 33) % i]);
    }
}

void Fibers::start(Lane& lane, unsigned index) {
    const Index& size = launch_.block;
    lane = {{index % size.x, index / size.x % size.y, index / size.x / size.y}, RUNNING, {nullptr, 0}, 0, 0, nullptr};
    void** top = (void**)stack_of(index);
    *--top = nullptr;  // as if entered by a call
    *--top = (void*)enter;
    for (int i = 0; i < 6; i++) *--top = nullptr;
    lane.stack = top;
}

void Fibers::block() {
    runtime_.shared = shared_of(launch_.shared_bytes);
    blocks_++;
    for (unsigned i = 0; i < lanes_.size(); i++) start(lanes_[i], i);
    warp_order_.resize(warps_.size());
    do {
        permute(warp_order_);
        for (unsigned w : warp_order_) warp(warps_[w]);
    } while (!all_ended_or_released());
}

void Fibers::warp(Warp& warp) {
    do {
        lane_order_.resize(warp.count);
        permute(lane_order_);
        for (unsigned i : lane_order_)
            if (warp.lanes[i].kind == RUNNING) resume(warp, warp.lanes[i]);
    } while (released(warp));
}

void Fibers::resume(Warp& warp, Lane& lane) {
    runtime_.lane = &lane;
    runtime_.published = warp.published;
    runtime_.present = warp.present;
    emulated_switch(&scheduler_, lane.stack);
}

// Lets go on those lanes of a warp that wait for each other; says whether there are some. Fails if lanes wait for others that
// never come.
bool Fibers::released(Warp& warp) {
    bool some = false, waiting = false;
    unsigned done = 0;
    for (unsigned i = 0; i < warp.count; i++) {
        const Lane& lane = warp.lanes[i];
        if (lane.kind < WARP_BARRIER || (done >> i & 1)) continue;
        if (!(lane.mask >> i & 1)) end(LAUNCH_FAILED, "a lane is not in the mask that it gives, at " + text(lane.place));
        waiting = true;
        done |= lane.mask;
        some |= released(warp, lane.mask);
    }
    if (waiting && !some) stuck(warp);
    return some;
}

bool Fibers::released(Warp& warp, unsigned mask) {
    const Lane* first = nullptr;
    unsigned present = 0;
    Kind kind = RUNNING;
    for (unsigned i = 0; i < warp.count; i++) {
        const Lane& lane = warp.lanes[i];
        if (!(mask >> i & 1) || lane.kind == EXITED) continue;
        if (!first) first = &lane, kind = lane.kind;
        if (lane.kind != first->kind || !same(lane.place, first->place) || lane.mask != mask) return false;
        present |= 1u << i;
    }
    for (unsigned i = 0; i < warp.count; i++)
        if (present >> i & 1) {
            warp.published[i] = warp.lanes[i].value;
            warp.lanes[i].kind = RUNNING;
        }
    warp.present = (warp.present & ~mask) | present;
    const bool all = __builtin_popcount(mask) == WARP || (mask & ((1ull << warp.count) - 1)) == ((1ull << warp.count) - 1);
    warp.barriers += all && kind == WARP_BARRIER;
    return true;
}

// Once no warp can go on by itself: true if all threads have ended; else all wait at one barrier, and go on.
bool Fibers::all_ended_or_released() {
    const Lane* first = nullptr;
    for (const Lane& lane : lanes_) {
        if (lane.kind == EXITED) continue;
        if (first && !same(first->place, lane.place))
            end(LAUNCH_FAILED, "threads are at __syncthreads of " + text(first->place) + " and of " + text(lane.place));
        first = &lane;
    }
    for (Lane& lane : lanes_)
        if (lane.kind != EXITED) lane.kind = RUNNING;
    barriers_++;
    for (Warp& warp : warps_) warp.barriers++;
    return !first;
}

void Fibers::stuck(const Warp& warp) {
    std::string what = "the lanes of a warp are at different places:";
    for (unsigned i = 0; i < warp.count; i++) {
        unsigned last = i;
        while (last + 1 < warp.count && state_text(warp.lanes[last + 1]) == state_text(warp.lanes[i])) last++;
        what += " lanes " + std::to_string(i) + " to " + std::to_string(last) + " " + state_text(warp.lanes[i]) + ";";
        i = last;
    }
    end(LAUNCH_FAILED, what + " warp " + std::to_string(&warp - warps_.data()));
}

void Fibers::enter() {
    running->launch_.kernel->call(running->launch_.arguments);
    running->runtime_.lane->kind = EXITED;
    park();
}

void Fibers::park() { emulated_switch(&running->runtime_.lane->stack, running->scheduler_); }

void Fibers::fail(const char* what) {
    const Lane& lane = *running->runtime_.lane;
    running->end(LAUNCH_FAILED, std::string(what) + ", thread " + std::to_string(lane.thread.x) + ", after " + text(lane.place));
}

void Fibers::touch(const void* from, unsigned bytes, bool writes) { running->touched((const char*)from, bytes, writes); }

void Fibers::touched(const char* from, unsigned bytes, bool writes) {
    const Lane& lane = *runtime_.lane;
    const unsigned index = &lane - lanes_.data();
    const char* const stack = stacks_[index];
    if (from >= stack && from < stack + STACK) return;
    const bool is_dynamic = from >= runtime_.shared && from < runtime_.shared + launch_.shared_bytes;
    const bool is_shared = is_dynamic || (from >= launch_.statics && from < launch_.statics_end);
    if (!is_shared && !memory_.holds(from, bytes)) return;
    std::string what = races_.pending();
    if (what.empty()) {
        const Moment now = {blocks_, index / WARP, index % WARP, barriers_, warps_[index / WARP].barriers, lane.place};
        what = races_.touch(from, bytes, writes, is_shared, now);
    }
    if (!what.empty()) end(LAUNCH_FAILED, what);
}

void Fibers::end(int code, const std::string& what) {
    failure_.code = code;
    failure_.what = what + ", block " + std::to_string(runtime_.block.x);
    siglongjmp(out_, 1);
}

void Fibers::on_signal(int signal, siginfo_t* info, void*) {
    if (!running || !pthread_equal(pthread_self(), running_thread)) {  // not the kernel's fault
        std::signal(signal, SIG_DFL);
        return;
    }
    const Lane& lane = *running->runtime_.lane;
    const bool trap = signal == SIGILL;
    char address[32];
    snprintf(address, sizeof address, "%p", info->si_addr);
    const std::string what = trap ? "an address that isn't aligned, or an index beyond an array" : std::string("the illegal address ") + address;
    running->end(trap ? MISALIGNED : ILLEGAL_ADDRESS, what + ", thread " + std::to_string(lane.thread.x) + ", after " + text(lane.place));
}

}  // namespace emulated
