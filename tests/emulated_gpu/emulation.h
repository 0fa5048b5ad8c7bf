// What CUDA C++ has and C++ has not, so that g++ compiles a kernel: the fake NVRTC puts this before its source. A thread
// is a fiber: it runs until it waits for others. Nothing of the host can be included or is declared but what is here.
#pragma once
#include "abi.h"

#define EMULATED 1
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __restrict__ __restrict
#define __global__ emulated_global
#define __shared__ emulated_shared
#define __launch_bounds__(...) emulated_bounds(__VA_ARGS__)

extern "C" __attribute__((visibility("default"))) emulated::Runtime* emulated_runtime;
emulated::Runtime* emulated_runtime;
#define threadIdx (emulated_runtime->lane->thread)
#define blockIdx (emulated_runtime->block)
#define blockDim (emulated_runtime->block_size)
#define gridDim (emulated_runtime->grid_size)
#define warpSize 32

typedef decltype(sizeof(0)) size_t;
extern "C" {
int printf(const char*, ...);
void* memcpy(void*, const void*, size_t);
void* memset(void*, int, size_t);
}

// Vector types have the alignment that CUDA gives them.
#define EMULATED_VECTOR(type, name, two, four)                                                            \
    struct alignas(two) name##2 { type x, y; };                                                           \
    struct name##3 { type x, y, z; };                                                                     \
    struct alignas(four) name##4 { type x, y, z, w; };                                                    \
    static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                               \
    static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                    \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
EMULATED_VECTOR(float, float, 8, 16)
EMULATED_VECTOR(double, double, 16, 16)
EMULATED_VECTOR(int, int, 8, 16)
EMULATED_VECTOR(unsigned, uint, 8, 16)
EMULATED_VECTOR(long long, longlong, 16, 16)

// Mathematics: the function of a double, the same of a float under its name and with f at the end.
#define EMULATED_ONE(name)                                             \
    extern "C" double name(double) noexcept(true);                     \
    extern "C" float name##f(float) noexcept(true);                    \
    static inline float name(float x) { return __builtin_##name##f(x); }
#define EMULATED_TWO(name)                                                         \
    extern "C" double name(double, double) noexcept(true);                         \
    extern "C" float name##f(float, float) noexcept(true);                         \
    static inline float name(float x, float y) { return __builtin_##name##f(x, y); }
EMULATED_ONE(sqrt) EMULATED_ONE(exp) EMULATED_ONE(exp2) EMULATED_ONE(expm1) EMULATED_ONE(log) EMULATED_ONE(log2)
EMULATED_ONE(log10) EMULATED_ONE(log1p) EMULATED_ONE(tanh) EMULATED_ONE(sinh) EMULATED_ONE(cosh) EMULATED_ONE(sin)
EMULATED_ONE(cos) EMULATED_ONE(tan) EMULATED_ONE(atan) EMULATED_ONE(erf) EMULATED_ONE(erfc) EMULATED_ONE(fabs)
EMULATED_ONE(floor) EMULATED_ONE(ceil) EMULATED_ONE(trunc) EMULATED_ONE(round) EMULATED_ONE(rint) EMULATED_ONE(cbrt)
EMULATED_TWO(pow) EMULATED_TWO(fmin) EMULATED_TWO(fmax) EMULATED_TWO(copysign) EMULATED_TWO(fmod) EMULATED_TWO(ldexp)
extern "C" double fma(double, double, double) noexcept(true);
extern "C" float fmaf(float, float, float) noexcept(true);
static inline float fma(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline float rsqrt(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
template <class T> static inline bool isfinite(T x) { return __builtin_isfinite(x); }
template <class T> static inline bool isnan(T x) { return __builtin_isnan(x); }
template <class T> static inline bool isinf(T x) { return __builtin_isinf(x); }
template <class T> static inline bool signbit(T x) { return __builtin_signbit(x); }
#define EMULATED_ORDER(type)                                                     \
    static inline type min(type x, type y) { return y < x ? y : x; }             \
    static inline type max(type x, type y) { return x < y ? y : x; }
EMULATED_ORDER(int) EMULATED_ORDER(unsigned) EMULATED_ORDER(long) EMULATED_ORDER(unsigned long)
EMULATED_ORDER(long long) EMULATED_ORDER(unsigned long long)
static inline float min(float x, float y) { return fminf(x, y); }
static inline float max(float x, float y) { return fmaxf(x, y); }
static inline double min(double x, double y) { return fmin(x, y); }
static inline double max(double x, double y) { return fmax(x, y); }
static inline int abs(int x) { return x < 0 ? -x : x; }

// Intrinsics. Those that are approximate on a GPU are exact here.
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline double __dadd_rn(double x, double y) { return x + y; }
static inline double __dmul_rn(double x, double y) { return x * y; }
static inline double __ddiv_rn(double x, double y) { return x / y; }
static inline double __dsqrt_rn(double x) { return sqrt(x); }
static inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }
static inline float __expf(float x) { return expf(x); }
static inline float __logf(float x) { return logf(x); }
static inline float __double2float_rn(double x) { return (float)x; }
static inline double __ull2double_rn(unsigned long long x) { return (double)x; }
static inline float __uint2float_rn(unsigned x) { return (float)x; }
static inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
template <class To, class From> static inline To emulated_bits(From x) { return __builtin_bit_cast(To, x); }
static inline float __int_as_float(int x) { return emulated_bits<float>(x); }
static inline int __float_as_int(float x) { return emulated_bits<int>(x); }
static inline float __uint_as_float(unsigned x) { return emulated_bits<float>(x); }
static inline unsigned __float_as_uint(float x) { return emulated_bits<unsigned>(x); }
static inline double __longlong_as_double(long long x) { return emulated_bits<double>(x); }
static inline long long __double_as_longlong(double x) { return emulated_bits<long long>(x); }
static inline unsigned __umulhi(unsigned x, unsigned y) { return (unsigned)((unsigned long long)x * y >> 32); }
static inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
    return (unsigned long long)((unsigned __int128)x * y >> 64);
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
template <class T> static inline T __ldg(const T* from) { return *from; }
template <class T> static inline T __ldcg(const T* from) { return *from; }
template <class T> static inline T __ldcs(const T* from) { return *from; }
template <class T> static inline void __stcg(T* to, T value) { *to = value; }
template <class T> static inline void __stcs(T* to, T value) { *to = value; }
static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline void __trap() { emulated_runtime->fail("__trap()"); }
static inline size_t __cvta_generic_to_shared(const void* place) { return (size_t)((const char*)place - emulated_runtime->shared); }

// What needs other threads. The line is that of the call: all must come to the same one.
#define EMULATED_PLACE emulated::Place place = {__builtin_FILE(), __builtin_LINE()}
namespace emulated {
static inline void wait(Kind kind, unsigned mask, u64 value, Place place) {
    Lane& lane = *emulated_runtime->lane;
    lane.kind = kind;
    lane.mask = mask;
    lane.value = value;
    lane.place = place;
    emulated_runtime->park();
}
static inline unsigned lane_index() {
    const Index &t = threadIdx, &size = blockDim;
    return (t.x + size.x * (t.y + size.y * t.z)) % 32;
}
template <class T> static inline u64 packed(T value) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "a shuffle takes 4 or 8 bytes");
    if constexpr (sizeof(T) == 4) return __builtin_bit_cast(unsigned, value);
    else return __builtin_bit_cast(u64, value);
}
template <class T> static inline T from_lane(unsigned source) {
    if (!((emulated_runtime->present & emulated_runtime->lane->mask) >> source & 1)) emulated_runtime->fail("a shuffle reads from a lane that takes no part in it");
    const u64 bits = emulated_runtime->published[source];
    if constexpr (sizeof(T) == 4) return __builtin_bit_cast(T, (unsigned)bits);
    else return __builtin_bit_cast(T, bits);
}
// Moved by an amount within groups of `width` lanes; a lane whose source is outside its group keeps its own value.
template <class T> static inline T shuffled(unsigned mask, T value, int source, int first, int end, Place place) {
    wait(SHUFFLE, mask, packed(value), place);
    return first <= source && source < end ? from_lane<T>(source) : value;
}
}  // namespace emulated
static inline void __syncthreads(EMULATED_PLACE) { emulated::wait(emulated::BLOCK_BARRIER, 0, 0, place); }
static inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATED_PLACE) {
    emulated::wait(emulated::WARP_BARRIER, mask, 0, place);
}
template <class T> static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMULATED_PLACE) {
    const int first = emulated::lane_index() / width * width;
    return emulated::shuffled(mask, value, first + (source & (width - 1)), first, first + width, place);
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T value, int other, int width = 32, EMULATED_PLACE) {
    const int own = emulated::lane_index(), end = own / width * width + width;
    return emulated::shuffled(mask, value, own ^ other, 0, end, place);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, EMULATED_PLACE) {
    const int own = emulated::lane_index(), first = own / width * width;
    return emulated::shuffled(mask, value, own - (int)by, first, first + width, place);
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, EMULATED_PLACE) {
    const int own = emulated::lane_index(), first = own / width * width;
    return emulated::shuffled(mask, value, own + (int)by, first, first + width, place);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATED_PLACE) {
    emulated::wait(emulated::VOTE, mask, predicate != 0, place);
    unsigned votes = 0;
    for (int i = 0; i < 32; i++)
        if ((emulated_runtime->present & mask) >> i & 1) votes |= (unsigned)emulated_runtime->published[i] << i;
    return votes;
}
static inline int __any_sync(unsigned mask, int predicate, EMULATED_PLACE) { return __ballot_sync(mask, predicate, place) != 0; }
static inline int __all_sync(unsigned mask, int predicate, EMULATED_PLACE) { return __ballot_sync(mask, !predicate, place) == 0; }
static inline unsigned __activemask() { return emulated_runtime->fail("__activemask() says nothing that a kernel may rely on"), 0; }

// With EMULATED_RACES the compiler calls a function of ThreadSanitizer's at each access to memory: here they are.
namespace emulated {
#ifdef EMULATED_RACES
__attribute__((no_sanitize("thread"))) static inline void touch(const void* from, unsigned bytes, bool writes) {
    emulated_runtime->touch(from, bytes, writes);
}
#define EMULATED_ACCESS(name, bytes, writes) \
    extern "C" __attribute__((no_sanitize("thread"))) void __tsan_##name(void* from) { touch(from, bytes, writes); }
#define EMULATED_ACCESSES(bytes)                                                                     \
    EMULATED_ACCESS(read##bytes, bytes, false) EMULATED_ACCESS(write##bytes, bytes, true)            \
    EMULATED_ACCESS(unaligned_read##bytes, bytes, false) EMULATED_ACCESS(unaligned_write##bytes, bytes, true)
EMULATED_ACCESSES(1) EMULATED_ACCESSES(2) EMULATED_ACCESSES(4) EMULATED_ACCESSES(8) EMULATED_ACCESSES(16)
extern "C" __attribute__((no_sanitize("thread"))) void __tsan_read_range(void* from, size_t bytes) { touch(from, bytes, false); }
extern "C" __attribute__((no_sanitize("thread"))) void __tsan_write_range(void* from, size_t bytes) { touch(from, bytes, true); }
extern "C" __attribute__((no_sanitize("thread"))) void __tsan_init() {}
#else
static inline void touch(const void*, unsigned, bool) {}
#endif
}  // namespace emulated

// Copies to shared memory that take their time (cp.async): the target holds NaN until the copies were waited for.
namespace emulated {
struct Copy {
    void* to;
    const void* from;
    unsigned bytes;
};
constexpr int MOST_COPIES = 256;
static struct Copies {
    Copy each[MOST_COPIES];
    int count;
} copies[1024];
static inline Copies& own_copies() {
    const Index &t = threadIdx, &size = blockDim;
    return copies[t.x + size.x * (t.y + size.y * t.z)];
}
static inline void copy_later(void* to, const void* from, unsigned bytes) {
    Copies& own = own_copies();
    if ((size_t)to % bytes || (size_t)from % bytes) emulated_runtime->fail("an asynchronous copy is not aligned");
    if (own.count == MOST_COPIES) emulated_runtime->fail("too many asynchronous copies are not waited for");
    touch(to, bytes, true);  // it may happen from here on
    memset(to, 0xff, bytes);
    own.each[own.count++] = {to, from, bytes};
}
static inline void copies_done() {
    Copies& own = own_copies();
    for (int i = 0; i < own.count; i++) {
        touch(own.each[i].from, own.each[i].bytes, false);
        touch(own.each[i].to, own.each[i].bytes, true);  // until here
        memcpy(own.each[i].to, own.each[i].from, own.each[i].bytes);
    }
    own.count = 0;
}

}  // namespace emulated

// The functions of platform.cuh that take PTX.
static inline void copy_piece(void* to, const void* from) { emulated::copy_later(to, from, 16); }
static inline void copied() { emulated::copies_done(); }
// With EMULATED_ROUGH approximate functions are one unit in the last place too large, exact or too small, as a GPU's may be.
static inline float rough(float exact, float of) {
#ifdef EMULATED_ROUGH
    const int bits = __builtin_bit_cast(int, exact), by = (int)(__builtin_bit_cast(unsigned, of) * 2654435761u >> 30) - 1;
    if ((bits & 0x7fffffff) > 0x00800001 && (bits & 0x7fffffff) < 0x7f7fffff) return __builtin_bit_cast(float, bits + by % 2);
#endif
    return exact;
}
static inline float root(float x) { return rough(sqrtf(x), x); }
static inline float inverse(float x) { return rough(1.0f / x, x); }
static inline float positive(float x) { return x > 0.0f ? x : x != x ? x : 0.0f; }

namespace emulated {
// How the driver calls a kernel, and what it knows of its parameters.
template <int... I> struct Places {};
template <auto kernel> struct Entry;
template <class... A, void (*kernel)(A...)> struct Entry<kernel> {
    static constexpr unsigned sizes[] = {(unsigned)sizeof(A)..., 0};
    template <int... I> static void with(void** arguments, Places<I...>) { kernel(*(A*)arguments[I]...); }
    static void call(void** arguments) {
        own_copies().count = 0;
        with(arguments, Places<__integer_pack((int)sizeof...(A))...>());
        if (own_copies().count) emulated_runtime->fail("a thread ends before its asynchronous copies");
    }
    static constexpr Kernel described(unsigned most_threads = 0, unsigned = 0) {
        return {(int)sizeof...(A), sizes, call, most_threads};
    }
};
}  // namespace emulated
