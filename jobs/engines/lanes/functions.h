// exp, tanh, the logistic function, ln(1 + e^x), erf and a reciprocal, lane by lane. They are made of additions, multiplications,
// divisions and fma alone, so that their bits don't depend on a libm. Errors are about 1 ulp, as
// tests/test_lanes_functions.py measures. NaN stays NaN.
#pragma once

#include "polynomials.h"
#include "vector.h"

namespace lanes {

template <class T>
struct Constants;

template <>
struct Constants<float> {
  static constexpr int MANTISSA = 23, BIAS = 127;
  static constexpr float ROUND = 0x1.8p23f;  // adding it leaves the nearest integer in the last bits
  static constexpr float LN2_HIGH = 0x1.62e4p-1f, LN2_LOW = 0x1.7f7d1cp-20f;  // HIGH has trailing zeros: n * HIGH is exact
  static constexpr float EXP_LOW = -87.0f, EXP_HIGH = 88.0f;                  // both results are normal
  static constexpr float TANH_ONE = 10.0f;                                    // tanh and erf are 1 from here on
  static constexpr float ERF_MIDDLE = 2.5f, ERF_HALF = 1.5f;  // erfcx is fitted from MIDDLE - HALF to MIDDLE + HALF
  static constexpr int32_t NEGATED = 0x7ef311c0;  // see reciprocal
  static constexpr float OVERFLOWN = 0x1p120f;  // only an overflow gives larger numbers
  static constexpr int RECIPROCAL_STEPS = 2;
};

template <>
struct Constants<double> {
  static constexpr int MANTISSA = 52, BIAS = 1023;
  static constexpr double ROUND = 0x1.8p52;
  static constexpr double LN2_HIGH = 0x1.62e42fefap-1, LN2_LOW = 0x1.cf79abc9e3b3ap-40;
  static constexpr double EXP_LOW = -708.0, EXP_HIGH = 709.0;
  static constexpr double TANH_ONE = 20.0;
  static constexpr double ERF_MIDDLE = 3.5, ERF_HALF = 2.5;
  static constexpr int64_t NEGATED = 0x7fde623800000000;
  static constexpr double OVERFLOWN = 0x1p1000;
  static constexpr int RECIPROCAL_STEPS = 3;
};

// Evaluates a polynomial by Horner's rule; coefficients from the highest power down.
template <class T, int N>
inline typename Lanes<T>::V polynomial(typename Lanes<T>::V x, const T (&coefficients)[N]) {
  typename Lanes<T>::V sum = broadcast<T>(coefficients[0]);
  for (int k = 1; k < N; k++) sum = fma(sum, x, broadcast<T>(coefficients[k]));
  return sum;
}

template <class V>
inline V clamp(V x, V low, V high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

// e^x - 1 = scale * part + (scale - 1), where x = n ln 2 + r, scale = 2^n and part = e^r - 1.
template <class T>
struct Exponential {
  typename Lanes<T>::V scale, part;

  explicit Exponential(typename Lanes<T>::V x) {
    using K = Constants<T>;
    using V = typename Lanes<T>::V;
    using I = typename Lanes<T>::I;
    x = clamp(x, broadcast<T>(K::EXP_LOW), broadcast<T>(K::EXP_HIGH));
    const V shifted = fma(x, broadcast<T>(T(1.442695040888963407)), broadcast<T>(K::ROUND));
    const V n = shifted - broadcast<T>(K::ROUND);
    const V r = fma(n, broadcast<T>(-K::LN2_LOW), fma(n, broadcast<T>(-K::LN2_HIGH), x));
    scale = (V)(((I)shifted + K::BIAS) << K::MANTISSA);  // the shift drops the bits of ROUND above n
    part = fma(r * r, polynomial<T>(r, Polynomials<T>::EXPM1), r);
  }

  typename Lanes<T>::V exp() const { return fma(scale, part, scale); }
  typename Lanes<T>::V expm1() const { return fma(scale, part, scale - broadcast<T>(T(1))); }
};

// Returns 1 / d to about 1 ulp, in a third of the time of the processor's division. d must be positive and normal, or NaN.
// Subtracting the bits of d from a constant negates the exponent and leaves an error of 5 % in the mantissa (Blinn,
// Floating-Point Tricks, 1997); each step cubes the error. Numbers above OVERFLOWN count as infinity, and give 0.
template <class T>
inline typename Lanes<T>::V reciprocal(typename Lanes<T>::V d) {
  using K = Constants<T>;
  using V = typename Lanes<T>::V;
  V y = (V)(K::NEGATED - (typename Lanes<T>::I)d);
  for (int step = 0; step < K::RECIPROCAL_STEPS; step++) {
    const V error = fma(-d, y, broadcast<T>(T(1)));
    y = fma(y, fma(error, error, error), y);
  }
  return d > broadcast<T>(K::OVERFLOWN) ? V{} : y;
}

template <class V>
inline V with_sign_of(V sign, V magnitude) {
  return sign < V{} ? -magnitude : magnitude;
}

template <class V>
inline V absolute(V x) {
  return x < V{} ? -x : x;
}

template <class T>
inline typename Lanes<T>::V tanh(typename Lanes<T>::V x) {
  using V = typename Lanes<T>::V;
  const V one = broadcast<T>(Constants<T>::TANH_ONE), a = absolute(x);
  const V e = Exponential<T>(broadcast<T>(T(2)) * (a > one ? one : a)).expm1();
  return with_sign_of(x, e / (e + broadcast<T>(T(2))));
}

template <class T>
inline typename Lanes<T>::V logistic(typename Lanes<T>::V x) {
  const typename Lanes<T>::V one = broadcast<T>(T(1));
  return one / (one + Exponential<T>(-x).exp());
}

// ln(1 + e^x) for x up to 0. A polynomial gives ln(1 + u) / u - 1 for u up to 1.
template <class T>
inline typename Lanes<T>::V log1p_exp(typename Lanes<T>::V x) {
  const typename Lanes<T>::V u = Exponential<T>(x).exp();
  return fma(u, polynomial<T>(u, Polynomials<T>::LOG1P), u);
}

// erf(x), and e^(-x^2), which is needed for it. Below 1 a polynomial gives erf(x) / x - 1; from there on erf(x) is
// 1 - e^(-x^2) erfcx(x), where erfcx is a polynomial too.
template <class T>
struct ErrorFunction {
  typename Lanes<T>::V erf, exp;

  explicit ErrorFunction(typename Lanes<T>::V x) : exp(Exponential<T>(-x * x).exp()) {
    using K = Constants<T>;
    using V = typename Lanes<T>::V;
    const V one = broadcast<T>(T(1)), a = absolute(x), last = broadcast<T>(K::ERF_MIDDLE + K::ERF_HALF);
    const V small = fma(a, polynomial<T>(a * a, Polynomials<T>::ERF), a);
    const V u = ((a > last ? last : a) - broadcast<T>(K::ERF_MIDDLE)) * broadcast<T>(1 / K::ERF_HALF);
    const V large = fma(-exp, polynomial<T>(u, Polynomials<T>::ERFCX), one);
    erf = with_sign_of(x, a < one ? small : large);
  }
};

}  // namespace lanes
