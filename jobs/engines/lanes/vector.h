// SIMD vectors of the target machine, and the few operations on them that have no operator in C++.
//
// Operators (+ - * / < ?:) are those of the vector extension of g++ and clang++. Every operation rounds once in each lane,
// as IEEE 754 says, and contraction is off (-ffp-contract=off). So the bits of a lane depend neither on the width of the
// vectors nor on the compiler. Where there is no fused multiply-add (x86-64 before 2013), fma() rounds twice and FUSED is
// false.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace lanes {

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
#elif defined(__AVX2__)
constexpr int VECTOR_BYTES = 32;
#else
constexpr int VECTOR_BYTES = 16;
#endif

#if defined(__FMA__) || defined(__aarch64__)
constexpr bool FUSED = true;
#else
constexpr bool FUSED = false;
#endif

// V: `count` numbers of type T. I: as many integers of the same size, the results of comparisons (-1 true, 0 false).
template <class T>
struct Lanes;

template <>
struct Lanes<float> {
  typedef float V __attribute__((vector_size(VECTOR_BYTES)));
  typedef int32_t I __attribute__((vector_size(VECTOR_BYTES)));
  static constexpr int count = VECTOR_BYTES / 4;
};

template <>
struct Lanes<double> {
  typedef double V __attribute__((vector_size(VECTOR_BYTES)));
  typedef int64_t I __attribute__((vector_size(VECTOR_BYTES)));
  static constexpr int count = VECTOR_BYTES / 8;
};

using F32 = Lanes<float>::V;
using I32 = Lanes<float>::I;
using F64 = Lanes<double>::V;
using I64 = Lanes<double>::I;

// a * b + c, rounded once where FUSED.
#if defined(__AVX512F__)
inline F32 fma(F32 a, F32 b, F32 c) { return (F32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline F64 fma(F64 a, F64 b, F64 c) { return (F64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
inline F32 sqrt(F32 a) { return (F32)_mm512_sqrt_ps((__m512)a); }
inline F64 sqrt(F64 a) { return (F64)_mm512_sqrt_pd((__m512d)a); }
#elif defined(__AVX2__)
inline F32 fma(F32 a, F32 b, F32 c) { return (F32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
inline F64 fma(F64 a, F64 b, F64 c) { return (F64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
inline F32 sqrt(F32 a) { return (F32)_mm256_sqrt_ps((__m256)a); }
inline F64 sqrt(F64 a) { return (F64)_mm256_sqrt_pd((__m256d)a); }
#elif defined(__aarch64__)
inline F32 fma(F32 a, F32 b, F32 c) { return (F32)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
inline F64 fma(F64 a, F64 b, F64 c) { return (F64)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
inline F32 sqrt(F32 a) { return (F32)vsqrtq_f32((float32x4_t)a); }
inline F64 sqrt(F64 a) { return (F64)vsqrtq_f64((float64x2_t)a); }
#elif defined(__x86_64__)
inline F32 fma(F32 a, F32 b, F32 c) { return a * b + c; }
inline F64 fma(F64 a, F64 b, F64 c) { return a * b + c; }
inline F32 sqrt(F32 a) { return (F32)_mm_sqrt_ps((__m128)a); }
inline F64 sqrt(F64 a) { return (F64)_mm_sqrt_pd((__m128d)a); }
#else
#error "lanes: x86-64 or 64-bit Arm"
#endif

// The larger one of a and b; b where either is NaN or both are zero.
#if defined(__AVX512F__)
inline F32 larger(F32 a, F32 b) { return (F32)_mm512_max_ps((__m512)a, (__m512)b); }
inline F64 larger(F64 a, F64 b) { return (F64)_mm512_max_pd((__m512d)a, (__m512d)b); }
#else
template <class V>
inline V larger(V a, V b) {
  return a > b ? a : b;
}
#endif

template <class T>
inline typename Lanes<T>::V broadcast(T scalar) {
  return scalar - typename Lanes<T>::V{};  // compiled to one broadcast instruction
}
inline F32 vector_of(float scalar) { return broadcast<float>(scalar); }
inline F64 vector_of(double scalar) { return broadcast<double>(scalar); }
inline F32 vector_of(F32 vector) { return vector; }
inline F64 vector_of(F64 vector) { return vector; }

// Returns the lanes of two vectors that Index<Is...> names: 0 is the first lane of a, `count` the first lane of b.
template <int... Is>
struct Index {
  template <class V>
  static V shuffle(V a, V b) {
#if defined(__clang__)
    return __builtin_shufflevector(a, b, Is...);
#else
    using Integer = std::conditional_t<sizeof(a[0]) == 4, int32_t, int64_t>;
    typedef Integer I __attribute__((vector_size(sizeof(V))));
    return __builtin_shuffle(a, b, I{Is...});
#endif
  }
};

// Reads or writes a vector at an address that need not be aligned.
template <class V, class T>
inline V load(const T* from) {
  V vector;
  std::memcpy(&vector, from, sizeof(V));
  return vector;
}
template <class V, class T>
inline void store(T* to, V vector) {
  std::memcpy(to, &vector, sizeof(V));
}

// Treats denormals as zero in this thread, for the lifetime of the object. The first moment of a dead ReLU unit becomes
// denormal after about 800 steps of Adam, and would slow every later step.
class DenormalsFlushed {
 public:
#if defined(__x86_64__)
  DenormalsFlushed() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~DenormalsFlushed() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#else
  DenormalsFlushed() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" : : "r"(before_ | (1ull << 24)));
  }
  ~DenormalsFlushed() { asm volatile("msr fpcr, %0" : : "r"(before_)); }

 private:
  uint64_t before_;
#endif
  DenormalsFlushed(const DenormalsFlushed&) = delete;
  DenormalsFlushed& operator=(const DenormalsFlushed&) = delete;
};

}  // namespace lanes
