// Activations, forward in place on a row of sums, and the gradient through them. ReLU is also there element by element, for
// the loops of network.h that take the time; what the others cost hides another pass.
//
// Where the slope is a function of the activation itself, `through` computes it from there; gelu, silu and square keep it.
#pragma once

#include "functions.h"

namespace lanes {

enum Activation { IDENTITY, RELU, LEAKY_RELU, TANH, SIGMOID, GELU, SILU, SQUARE, ACTIVATIONS };

constexpr double LEAK = 0.01;  // slope of leaky_relu below zero

inline bool keeps_slope(Activation activation) {
  return activation == GELU || activation == SILU || activation == SQUARE;
}

template <class V>
inline V relu(V z) {
  return V{} > z ? V{} : z;  // NaN stays NaN
}

// d where the activation h is above zero.
template <class V>
inline V through_relu(V h, V d) {
  return V{} >= h ? V{} : d;
}

// Turns sums into activations; `slope` is written for the activations that keep it.
template <class T>
void activate(Activation activation, typename Lanes<T>::V* z, typename Lanes<T>::V* slope, long count) {
  using V = typename Lanes<T>::V;
  const V one = spread<T>(T(1));
  const auto each = [&](auto change) {
    for (long i = 0; i < count; i++) z[i] = change(z[i], i);
  };
  switch (activation) {
    case RELU:
      return each([](V x, long) { return relu(x); });
    case LEAKY_RELU:
      return each([](V x, long) { return V{} > x ? x * spread<T>(T(LEAK)) : x; });
    case TANH:
      return each([](V x, long) { return tanh<T>(x); });
    case SIGMOID:
      return each([](V x, long) { return logistic<T>(x); });
    case GELU:  // x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel 2016); slope Phi(x) + x phi(x)
      return each([&](V x, long i) {
        const ErrorFunction<T> of(x * spread<T>(T(0.70710678118654752440)));
        const V distribution = (of.erf + one) * spread<T>(T(0.5));
        slope[i] = fma(x * spread<T>(T(0.39894228040143267794)), of.exp, distribution);
        return x * distribution;
      });
    case SILU:  // x s(x), s the logistic function; slope s + x s (1 - s)
      return each([&](V x, long i) {
        const V s = logistic<T>(x), a = x * s;
        slope[i] = fma(a, one - s, s);
        return a;
      });
    case SQUARE:
      return each([&](V x, long i) {
        slope[i] = x + x;
        return x * x;
      });
    default:
      return;
  }
}

// The loss's derivative by a sum, from that by its activation h; `slope` is read for the activations that keep it.
template <class T, class V = typename Lanes<T>::V>
inline V through(Activation activation, V h, const V* slope, V d) {
  const V one = spread<T>(T(1));
  switch (activation) {
    case RELU:
      return through_relu(h, d);
    case LEAKY_RELU:
      return V{} >= h ? d * spread<T>(T(LEAK)) : d;
    case TANH:
      return d * fma(-h, h, one);
    case SIGMOID:
      return d * h * (one - h);
    case GELU:
    case SILU:
    case SQUARE:
      return d * *slope;
    default:
      return d;
  }
}

}  // namespace lanes
