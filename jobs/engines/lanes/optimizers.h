// Optimizers: one struct for each, with its update and the size of its state, and the one list of all of them.
//
// The formulas and constants are those of torch.optim. An update takes a parameter w and its gradient g, changes the state of
// that parameter in place, and returns the new w.
#pragma once

#include "functions.h"

namespace lanes {

constexpr int MOST_STATE = 2;  // the most numbers of state per parameter that an optimizer has

// Learning rate and weight decay of each model, and Adam's bias corrections of step t: `first` is 1 / (1 - beta1^t) and
// `second` is 1 / sqrt(1 - beta2^t).
template <class V>
struct Rate {
  V lr, decay;
  bool has_decay;
  V first, second;
};

template <class T>
inline typename Lanes<T>::V constant(double value) {
  return broadcast<T>(T(value));
}

template <class T, class V = typename Lanes<T>::V>
struct Sgd {
  static constexpr int STATE = 0;
  static constexpr bool DECOUPLED = false;
  explicit Sgd(const Rate<V>& rate) : lr(rate.lr) {}
  V operator()(V w, V g, V*, V*) const { return fma(-lr, g, w); }
  const V lr;
};

template <class T, class V = typename Lanes<T>::V>
struct Momentum {
  static constexpr int STATE = 1;
  static constexpr bool DECOUPLED = false;
  explicit Momentum(const Rate<V>& rate) : lr(rate.lr) {}
  V operator()(V w, V g, V* velocity, V*) const {
    *velocity = fma(constant<T>(0.9), *velocity, g);
    return fma(-lr, *velocity, w);
  }
  const V lr;
};

template <class T, class V = typename Lanes<T>::V>
struct Nesterov {
  static constexpr int STATE = 1;
  static constexpr bool DECOUPLED = false;
  explicit Nesterov(const Rate<V>& rate) : lr(rate.lr) {}
  V operator()(V w, V g, V* velocity, V*) const {
    *velocity = fma(constant<T>(0.9), *velocity, g);
    return fma(-lr, fma(constant<T>(0.9), *velocity, g), w);
  }
  const V lr;
};

template <class T, class V = typename Lanes<T>::V>
struct Adam {
  static constexpr int STATE = 2;
  static constexpr bool DECOUPLED = false;
  explicit Adam(const Rate<V>& rate) : step(rate.lr * rate.first), second(rate.second) {}
  V operator()(V w, V g, V* moment1, V* moment2) const {
    const V m = fma(constant<T>(1 - 0.9), g - *moment1, *moment1);
    const V v = fma(constant<T>(1 - 0.999) * g, g, constant<T>(0.999) * *moment2);
    *moment1 = m;
    *moment2 = v;
    return fma(-step, m * reciprocal<T>(fma(sqrt(v), second, constant<T>(1e-8))), w);
  }
  const V step, second;
};

template <class T, class V = typename Lanes<T>::V>
struct AdamW : Adam<T> {
  static constexpr bool DECOUPLED = true;
  using Adam<T>::Adam;
};

template <class T, class V = typename Lanes<T>::V>
struct RmsProp {
  static constexpr int STATE = 1;
  static constexpr bool DECOUPLED = false;
  explicit RmsProp(const Rate<V>& rate) : lr(rate.lr) {}
  V operator()(V w, V g, V* moment2, V*) const {
    *moment2 = fma(constant<T>(1 - 0.99) * g, g, constant<T>(0.99) * *moment2);
    return fma(-lr, g * reciprocal<T>(sqrt(*moment2) + constant<T>(1e-8)), w);
  }
  const V lr;
};

// Name in a job spec, struct.
#define LANES_OPTIMIZERS(EACH) \
  EACH(sgd, Sgd)               \
  EACH(momentum, Momentum)     \
  EACH(nesterov, Nesterov)     \
  EACH(adam, Adam)             \
  EACH(adamw, AdamW)           \
  EACH(rmsprop, RmsProp)

#define LANES_OPTIMIZER_MEMBER(NAME, KIND) KIND,
#define LANES_OPTIMIZER_NAME(NAME, KIND) "," #NAME
#define LANES_OPTIMIZER_STATE(NAME, KIND) KIND<float>::STATE,

enum class Optimizer : int64_t { LANES_OPTIMIZERS(LANES_OPTIMIZER_MEMBER) COUNT };
constexpr const char* OPTIMIZER_NAMES = &LANES_OPTIMIZERS(LANES_OPTIMIZER_NAME)[1];  // without the first comma
constexpr int STATE[] = {LANES_OPTIMIZERS(LANES_OPTIMIZER_STATE)};  // numbers of state per parameter, of each

// One step of one optimizer: weight decay, then the update. Decay is skipped where no model of the group has any.
template <template <class, class> class Kind, class T, class V>
void step(V* p, const V* gradient, V* state0, V* state1, const Rate<V>& rate, long count) {
  const Kind<T, V> update(rate);
  const V shrink = constant<T>(1) - rate.lr * rate.decay, decay = rate.decay;
  const bool has_decay = rate.has_decay;
  for (long i = 0; i < count; i++) {
    V w = p[i], g = gradient[i];
    if (has_decay) {
      if constexpr (Kind<T, V>::DECOUPLED)
        w = w * shrink;
      else
        g = fma(w, decay, g);
    }
    p[i] = update(w, g, state0 + i, state1 + i);
  }
}

// One step on all parameters of a group. An optimizer with less state ignores the rest of the arguments.
template <class T, class V = typename Lanes<T>::V>
void update(Optimizer optimizer, V* p, const V* gradient, V* state0, V* state1, const Rate<V>& rate, long count) {
  switch (optimizer) {
#define LANES_CASE(NAME, KIND) \
  case Optimizer::KIND:        \
    return step<KIND, T, V>(p, gradient, state0, state1, rate, count);
    LANES_OPTIMIZERS(LANES_CASE)
#undef LANES_CASE
    default:
      return;
  }
}

}  // namespace lanes
