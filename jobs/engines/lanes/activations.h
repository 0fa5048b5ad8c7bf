// Activations: one struct for each, with the function and its derivative, and the one list of all of them; and those of the
// output layer.
//
// `forward` maps a pre-activation z to the activation h. `backward` maps d, the derivative of the loss with respect to h, to
// the derivative with respect to z. It computes the slope from h where that is possible. Where it is not, `forward` also
// writes the slope, and `backward` reads it. network.h calls ReLU directly, in its innermost loops; the other activations
// take a second pass.
#pragma once

#include "functions.h"

namespace lanes {

// An activation whose slope follows from its value h.
struct OfActivation {
  static constexpr bool KEEPS_SLOPE = false;
};

// An activation whose slope is stored by `forward`.
struct OfSlope {
  static constexpr bool KEEPS_SLOPE = true;
  template <class T, class V>
  static V backward(V, const V* slope, V d) {
    return d * *slope;
  }
};

struct Identity : OfActivation {
  template <class T, class V>
  static V forward(V z, V*) {
    return z;
  }
  template <class T, class V>
  static V backward(V, const V*, V d) {
    return d;
  }
};

struct Relu : OfActivation {
  template <class T, class V>
  static V forward(V z, V*) {
    return larger(V{}, z);  // NaN stays NaN
  }
  template <class T, class V>
  static V backward(V h, const V*, V d) {
    return V{} >= h ? V{} : d;
  }
};

struct LeakyRelu : OfActivation {
  static constexpr double SLOPE = 0.01;  // below zero
  template <class T, class V>
  static V forward(V z, V*) {
    return V{} > z ? z * broadcast<T>(T(SLOPE)) : z;
  }
  template <class T, class V>
  static V backward(V h, const V*, V d) {
    return V{} >= h ? d * broadcast<T>(T(SLOPE)) : d;
  }
};

struct Elu : OfActivation {
  template <class T, class V>
  static V forward(V z, V*) {
    return V{} > z ? Exponential<T>(z).expm1() : z;
  }
  template <class T, class V>
  static V backward(V h, const V*, V d) {
    return V{} >= h ? d * (h + broadcast<T>(T(1))) : d;
  }
};

struct Tanh : OfActivation {
  template <class T, class V>
  static V forward(V z, V*) {
    return tanh<T>(z);
  }
  template <class T, class V>
  static V backward(V h, const V*, V d) {
    return d * fma(-h, h, broadcast<T>(T(1)));
  }
};

struct Sigmoid : OfActivation {
  template <class T, class V>
  static V forward(V z, V*) {
    return logistic<T>(z);
  }
  template <class T, class V>
  static V backward(V h, const V*, V d) {
    return d * h * (broadcast<T>(T(1)) - h);
  }
};

// z Phi(z), where Phi(z) = (1 + erf(z / sqrt 2)) / 2 (Hendrycks and Gimpel 2016); slope Phi(z) + z phi(z).
struct Gelu : OfSlope {
  template <class T, class V>
  static V forward(V z, V* slope) {
    const ErrorFunction<T> of(z * broadcast<T>(T(0.70710678118654752440)));
    const V distribution = (of.erf + broadcast<T>(T(1))) * broadcast<T>(T(0.5));
    *slope = fma(z * broadcast<T>(T(0.39894228040143267794)), of.exp, distribution);
    return z * distribution;
  }
};

// z s(z), where s is the logistic function; slope s + z s (1 - s).
struct Silu : OfSlope {
  template <class T, class V>
  static V forward(V z, V* slope) {
    const V s = logistic<T>(z), h = z * s;
    *slope = fma(h, broadcast<T>(T(1)) - s, s);
    return h;
  }
};

struct Square : OfSlope {
  template <class T, class V>
  static V forward(V z, V* slope) {
    *slope = z + z;
    return z * z;
  }
};

// Name in a job spec, struct.
#define LANES_ACTIVATIONS(EACH) \
  EACH(identity, Identity)      \
  EACH(relu, Relu)              \
  EACH(leaky_relu, LeakyRelu)   \
  EACH(elu, Elu)                \
  EACH(tanh, Tanh)              \
  EACH(sigmoid, Sigmoid)        \
  EACH(gelu, Gelu)              \
  EACH(silu, Silu)              \
  EACH(square, Square)

// Those of the output layer, likewise. None of them keeps its slope.
#define LANES_OUTPUTS(EACH) \
  EACH(linear, Identity)    \
  EACH(sigmoid, Sigmoid)    \
  EACH(tanh, Tanh)          \
  EACH(relu, Relu)

#define LANES_MEMBER(NAME, KIND) KIND,
#define LANES_NAME(NAME, KIND) "," #NAME

enum class Activation : int64_t { LANES_ACTIVATIONS(LANES_MEMBER) COUNT };
constexpr const char* ACTIVATION_NAMES = &LANES_ACTIVATIONS(LANES_NAME)[1];  // without the first comma
enum class OutputKind : int64_t { LANES_OUTPUTS(LANES_MEMBER) COUNT };
constexpr const char* OUTPUT_NAMES = &LANES_OUTPUTS(LANES_NAME)[1];

// Calls work(kind) with an object of the activation's struct.
template <class F>
inline void visit(Activation activation, F work) {
  switch (activation) {
#define LANES_CASE(NAME, KIND) \
  case Activation::KIND:       \
    return work(KIND());
    LANES_ACTIVATIONS(LANES_CASE)
#undef LANES_CASE
    default:
      return;
  }
}
template <class F>
inline void visit(OutputKind output, F work) {
  switch (output) {
#define LANES_CASE(NAME, KIND) \
  case OutputKind::KIND:       \
    return work(KIND());
    LANES_OUTPUTS(LANES_CASE)
#undef LANES_CASE
    default:
      return;
  }
}

inline bool keeps_slope(Activation activation) {
  bool keeps = false;
  visit(activation, [&](auto kind) { keeps = kind.KEEPS_SLOPE; });
  return keeps;
}

// Replaces pre-activations by activations, and writes the slopes of the activations that keep them.
template <class T, class V = typename Lanes<T>::V>
void activate(Activation activation, V* z, V* slope, long count) {
  visit(activation, [=](auto kind) {
    for (long i = 0; i < count; i++) z[i] = kind.template forward<T, V>(z[i], slope + i);
  });
}

}  // namespace lanes
