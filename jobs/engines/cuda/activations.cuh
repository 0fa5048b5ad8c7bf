// Activations: one struct for each, with the function and its derivative; and those of the output layer.
//
// `forward` maps a pre-activation z to the activation h. `backward` maps d, the derivative of the loss with respect to h, to
// the derivative with respect to z. Where KEEPS_SLOPE is false it computes the slope from h, its second argument. Else
// `forward` writes the slope, and `backward` takes it in place of h. `AT_ZERO` says whether zero's activation is not zero.

namespace activations {
struct OfActivation {
  static constexpr bool KEEPS_SLOPE = false, AT_ZERO = false;
};

struct OfSlope {
  static constexpr bool KEEPS_SLOPE = true, AT_ZERO = false;
  static DEV T backward(T d, T slope) { return d * slope; }
};

struct identity : OfActivation {
  static DEV T forward(T z, T*) { return z; }
  static DEV T backward(T d, T) { return d; }
};

struct relu : OfActivation {
  static DEV T forward(T z, T*) { return positive(z); }
  static DEV T backward(T d, T h) { return T(0) >= h ? T(0) : d; }
};

struct leaky_relu : OfActivation {
  static constexpr double SLOPE = 0.01;  // below zero
  static DEV T forward(T z, T*) { return T(0) > z ? z * T(SLOPE) : z; }
  static DEV T backward(T d, T h) { return T(0) >= h ? d * T(SLOPE) : d; }
};

struct elu : OfActivation {
  static DEV T forward(T z, T*) { return T(0) > z ? functions::Exponential(z).expm1() : z; }
  static DEV T backward(T d, T h) { return T(0) >= h ? d * (h + T(1)) : d; }
};

struct tanh : OfActivation {
  static DEV T forward(T z, T*) { return functions::tanh(z); }
  static DEV T backward(T d, T h) { return d * fma(-h, h, T(1)); }
};

struct sigmoid : OfActivation {
  static constexpr bool AT_ZERO = true;
  static DEV T forward(T z, T*) { return functions::logistic(z); }
  static DEV T backward(T d, T h) { return d * h * (T(1) - h); }
};

// z Phi(z), where Phi(z) = (1 + erf(z / sqrt 2)) / 2 (Hendrycks and Gimpel 2016); slope Phi(z) + z phi(z).
struct gelu : OfSlope {
  static DEV T forward(T z, T* slope) {
    const functions::ErrorFunction of(z * T(0.70710678118654752440));
    const T distribution = (of.erf + T(1)) * T(0.5);
    *slope = fma(z * T(0.39894228040143267794), of.exp, distribution);
    return z * distribution;
  }
};

// z s(z), where s is the logistic function; slope s + z s (1 - s).
struct silu : OfSlope {
  static DEV T forward(T z, T* slope) {
    const T s = functions::logistic(z), h = z * s;
    *slope = fma(h, T(1) - s, s);
    return h;
  }
};

struct square : OfSlope {
  static DEV T forward(T z, T* slope) {
    *slope = z + z;
    return z * z;
  }
};
}  // namespace activations

// None of them keeps its slope.
namespace outputs {
using linear = activations::identity;
using activations::relu;
using activations::sigmoid;
using activations::tanh;
}  // namespace outputs

using Activation = activations::ACTIVATION;
