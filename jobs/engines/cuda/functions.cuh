// exp, tanh, the logistic function, ln(1 + e^x) and erf, of one number.
//
// They are those of lanes/functions.h, with its polynomials, which are concatenated before this file: made of additions,
// multiplications and fma, and a reciprocal, so that their bits don't depend on a version of CUDA. Errors are some 2 units in
// the last place. NaN stays NaN.

template <class Kind>
struct Constants;

template <>
struct Constants<float> {
  static constexpr int MANTISSA = 23, BIAS = 127;
  static constexpr float ROUND = 0x1.8p23f;  // adding it leaves the nearest integer in the last bits
  static constexpr float LN2_HIGH = 0x1.62e4p-1f, LN2_LOW = 0x1.7f7d1cp-20f;  // HIGH has trailing zeros: n * HIGH is exact
  static constexpr float EXP_LOW = -87.0f, EXP_HIGH = 88.0f;                  // both results are normal
  static constexpr float TANH_ONE = 10.0f;                                    // tanh and erf are 1 from here on
  static constexpr float ERF_MIDDLE = 2.5f, ERF_HALF = 1.5f;  // erfcx is fitted from MIDDLE - HALF to MIDDLE + HALF
};

template <>
struct Constants<double> {
  static constexpr int MANTISSA = 52, BIAS = 1023;
  static constexpr double ROUND = 0x1.8p52;
  static constexpr double LN2_HIGH = 0x1.62e42fefap-1, LN2_LOW = 0x1.cf79abc9e3b3ap-40;
  static constexpr double EXP_LOW = -708.0, EXP_HIGH = 709.0;
  static constexpr double TANH_ONE = 20.0;
  static constexpr double ERF_MIDDLE = 3.5, ERF_HALF = 2.5;
};

namespace functions {
using Of = Constants<T>;
using Fit = lanes::Polynomials<T>;
using Bits = decltype(bits_of(T(0)));

// A polynomial by Horner's rule; coefficients from the highest power down.
template <auto& COEFFICIENTS, int K = int(sizeof(COEFFICIENTS) / sizeof(T)) - 1>
DEV T polynomial(T x) {
  constexpr T last = COEFFICIENTS[K];
  if constexpr (K > 0)
    return fma(polynomial<COEFFICIENTS, K - 1>(x), x, last);
  else
    return last;
}

DEV T absolute(T x) { return x < T(0) ? -x : x; }
DEV T with_sign_of(T sign, T magnitude) { return sign < T(0) ? -magnitude : magnitude; }
DEV T clamp(T x, T low, T high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

// e^x - 1 = scale * part + (scale - 1), where x = n ln 2 + r, scale = 2^n and part = e^r - 1.
struct Exponential {
  T scale, part;

  DEV explicit Exponential(T x) {
    x = clamp(x, Of::EXP_LOW, Of::EXP_HIGH);
    const T shifted = fma(x, T(1.442695040888963407), Of::ROUND), n = shifted - Of::ROUND;
    const T r = fma(n, -Of::LN2_LOW, fma(n, -Of::LN2_HIGH, x));
    scale = number_of(Bits(Bits(bits_of(shifted) + Of::BIAS) << Of::MANTISSA));  // the shift drops the bits of ROUND
    part = fma(r * r, polynomial<Fit::EXPM1>(r), r);
  }

  DEV T exp() const { return fma(scale, part, scale); }
  DEV T expm1() const { return fma(scale, part, scale - T(1)); }
};

DEV T tanh(T x) {
  const T a = absolute(x), e = Exponential(T(2) * (a > Of::TANH_ONE ? Of::TANH_ONE : a)).expm1();
  return with_sign_of(x, quotient(e, e + T(2)));
}

DEV T logistic(T x) { return inverse(T(1) + Exponential(-x).exp()); }

// ln(1 + e^x) for x up to 0. A polynomial gives ln(1 + u) / u - 1 for u up to 1.
DEV T log1p_exp(T x) {
  const T u = Exponential(x).exp();
  return fma(u, polynomial<Fit::LOG1P>(u), u);
}

// erf(x), and e^(-x^2), which is needed for it. Below 1 a polynomial gives erf(x) / x - 1; from there on erf(x) is
// 1 - e^(-x^2) erfcx(x), where erfcx is a polynomial too.
struct ErrorFunction {
  T erf, exp;

  DEV explicit ErrorFunction(T x) : exp(Exponential(-x * x).exp()) {
    constexpr T last = Of::ERF_MIDDLE + Of::ERF_HALF;
    const T a = absolute(x), small = fma(a, polynomial<Fit::ERF>(a * a), a);
    const T u = ((a > last ? last : a) - Of::ERF_MIDDLE) * T(1 / Of::ERF_HALF);
    const T large = fma(-exp, polynomial<Fit::ERFCX>(u), T(1));
    erf = with_sign_of(x, a < T(1) ? small : large);
  }
};
}  // namespace functions
