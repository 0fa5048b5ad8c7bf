// Optimizers: one struct for each, with its update and the size of its state.
//
// The formulas and constants are those of torch.optim, in the order of operations of lanes/optimizers.h. An update takes a
// parameter w and its gradient g, and changes w and its state in place.

// What a step multiplies: the model's learning rate times the factor of the schedule; that times Adam's first correction,
// 1 / (1 - beta1^t); the second one, 1 / sqrt(1 - beta2^t); and the model's weight decay.
struct Rate {
  T lr, step, second, decay;
};

namespace optimizers {
struct sgd {
  static constexpr int STATE = 0;
  static constexpr bool DECOUPLED = false;
  static DEV void update(T& w, T g, T&, T&, const Rate& rate) { w = fma(-rate.lr, g, w); }
};

struct momentum {
  static constexpr int STATE = 1;
  static constexpr bool DECOUPLED = false;
  static DEV void update(T& w, T g, T& velocity, T&, const Rate& rate) {
    velocity = fma(T(0.9), velocity, g);
    w = fma(-rate.lr, velocity, w);
  }
};

struct nesterov {
  static constexpr int STATE = 1;
  static constexpr bool DECOUPLED = false;
  static DEV void update(T& w, T g, T& velocity, T&, const Rate& rate) {
    velocity = fma(T(0.9), velocity, g);
    w = fma(-rate.lr, fma(T(0.9), velocity, g), w);
  }
};

struct adam {
  static constexpr int STATE = 2;
  static constexpr bool DECOUPLED = false;
  static DEV void update(T& w, T g, T& first, T& second, const Rate& rate) {
    first = fma(T(1 - 0.9), g - first, first);
    second = fma(T(1 - 0.999) * g, g, T(0.999) * second);
    w = fma(-rate.step, first * inverse(fma(root(second), rate.second, T(1e-8))), w);
  }
};

struct adamw : adam {
  static constexpr bool DECOUPLED = true;
};

struct rmsprop {
  static constexpr int STATE = 1;
  static constexpr bool DECOUPLED = false;
  static DEV void update(T& w, T g, T& second, T&, const Rate& rate) {
    second = fma(T(1 - 0.99) * g, g, T(0.99) * second);
    w = fma(-rate.lr, g * inverse(root(second) + T(1e-8)), w);
  }
};
}  // namespace optimizers

using Optimizer = optimizers::OPTIMIZER;
constexpr int STATE = Optimizer::STATE;

// One step of a parameter: weight decay, then the update. Without decay a model gets the same bits whether the kernel has it.
DEV void update_parameter(T& w, T g, T& state0, T& state1, const Rate& rate) {
  if constexpr (HAS_DECAY) {
    if constexpr (Optimizer::DECOUPLED)
      w = w * (T(1) - rate.lr * rate.decay);
    else
      g = rate.decay != T(0) ? fma(w, rate.decay, g) : g;
  }
  Optimizer::update(w, g, state0, state1, rate);
}

// The rate of a step for one model. Its learning rate stays in double until it is multiplied: one rounding in all.
DEV Rate rate_of(const T* now, double lr, double factor, T decay) {
  const T rounded = T(lr * factor);
  return {rounded, rounded * now[0], now[1], decay};
}
