// What the kernels need from the platform: qualifiers, vectors of 16 bytes, asynchronous copies, approximate functions.
//
// The first file of every kernel. The macro T names the type of all numbers, float or double; from here on it is a type.
//
// Every multiply-add that is meant is written as fma, since the compiler may not fuse others (-fmad=false). So neither its
// version nor what else a kernel does changes the bits. Denormal floats count as zero (-ftz=true).
#define DEV __device__ __forceinline__
#define HD __host__ __device__ constexpr
#define UNROLL _Pragma("unroll")
#define NO_UNROLL _Pragma("unroll 1")
#define PRAGMA(TEXT) _Pragma(#TEXT)
#define UNROLL_TIMES(N) PRAGMA(unroll(N))

// The shared memory of the block, as numbers.
#define SHARED(NAME)                                                 \
  extern __shared__ __align__(16) unsigned char shared_bytes[];      \
  T* const NAME = reinterpret_cast<T*>(shared_bytes)

typedef T Number;
#undef T
typedef Number T;

constexpr unsigned ALL_LANES = 0xffffffffu;
constexpr int PIECE = 16 / sizeof(T);  // numbers in 16 bytes, the most that one instruction moves

DEV void get4(float* v, const float* from) {
  const float4 four = *reinterpret_cast<const float4*>(from);
  v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
}
DEV void get4(double* v, const double* from) {
  const double2 low = reinterpret_cast<const double2*>(from)[0], high = reinterpret_cast<const double2*>(from)[1];
  v[0] = low.x, v[1] = low.y, v[2] = high.x, v[3] = high.y;
}
DEV void put4(float* to, const float* v) { *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]); }
DEV void put4(double* to, const double* v) {
  reinterpret_cast<double2*>(to)[0] = make_double2(v[0], v[1]);
  reinterpret_cast<double2*>(to)[1] = make_double2(v[2], v[3]);
}

// What takes PTX, since CUDA C++ has no function for it. An emulation has its own.
#ifndef EMULATED
// Copies 16 bytes from global to shared memory in the background; `copied` waits for all such copies of the thread.
DEV void copy_piece(void* to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from)
               : "memory");
}
DEV void copied() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// Square root and reciprocal within 1 or 2 units in the last place.
DEV float root(float x) {
  float r;
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
DEV float inverse(float x) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}

// max(x, 0), where NaN stays NaN.
DEV float positive(float x) {
  float r;
  asm("max.NaN.ftz.f32 %0, %1, 0f00000000;" : "=f"(r) : "f"(x));
  return r;
}
#endif
DEV double root(double x) { return sqrt(x); }
DEV double inverse(double x) { return 1.0 / x; }
DEV float quotient(float x, float y) { return x * inverse(y); }
DEV double quotient(double x, double y) { return x / y; }
DEV double positive(double x) { return x < 0.0 ? 0.0 : x; }

// The bits of a number as an integer, and back.
DEV int bits_of(float x) { return __float_as_int(x); }
DEV long long bits_of(double x) { return __double_as_longlong(x); }
DEV float number_of(int bits) { return __int_as_float(bits); }
DEV double number_of(long long bits) { return __longlong_as_double(bits); }

