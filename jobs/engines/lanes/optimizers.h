// One step of an optimizer on the flat parameters of a group: the formulas and constants of torch.optim.
#pragma once

#include "functions.h"

namespace lanes {

enum Optimizer { SGD, MOMENTUM, ADAM, ADAMW, RMSPROP, OPTIMIZERS };
constexpr int SLOTS[OPTIMIZERS] = {0, 1, 2, 2, 1};  // vectors that it remembers per parameter

// Learning rate and weight decay of each model, and Adam's corrections of step t: 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t).
template <class V>
struct Rate {
  V lr, decay;
  bool decays;
  V first, second;
};

template <class T, class V = typename Lanes<T>::V>
void update(Optimizer optimizer, V* p, const V* gradient, V* slot0, V* slot1, const Rate<V>& rate, long count) {
  const auto number = [](double value) { return spread<T>(T(value)); };
  const V shrink = number(1) - rate.lr * rate.decay, step = rate.lr * rate.first;
  const auto sweep = [&](auto change) {
    for (long i = 0; i < count; i++) {
      V g = gradient[i], w = p[i];
      if (rate.decays && optimizer == ADAMW) w = w * shrink;
      if (rate.decays && optimizer != ADAMW) g = fma(w, rate.decay, g);
      p[i] = change(i, w, g);
    }
  };
  switch (optimizer) {
    case SGD:
      return sweep([&](long, V w, V g) { return fma(-rate.lr, g, w); });
    case MOMENTUM:
      return sweep([&](long i, V w, V g) {
        slot0[i] = fma(number(0.9), slot0[i], g);
        return fma(-rate.lr, slot0[i], w);
      });
    case ADAM:
    case ADAMW:
      return sweep([&](long i, V w, V g) {
        const V m = fma(number(1 - 0.9), g - slot0[i], slot0[i]);
        const V v = fma(number(1 - 0.999) * g, g, number(0.999) * slot1[i]);
        slot0[i] = m;
        slot1[i] = v;
        return fma(-step, m * reciprocal<T>(fma(sqrt(v), rate.second, number(1e-8))), w);
      });
    case RMSPROP:
      return sweep([&](long i, V w, V g) {
        slot0[i] = fma(number(1 - 0.99) * g, g, number(0.99) * slot0[i]);
        return fma(-rate.lr, g * reciprocal<T>(sqrt(slot0[i]) + number(1e-8)), w);
      });
    default:
      return;
  }
}

}  // namespace lanes
