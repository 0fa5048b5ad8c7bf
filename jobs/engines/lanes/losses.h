// Losses: one struct for each, and the one list of all of them. What a row of the output layer adds to the loss, and the
// derivative of the loss with respect to its pre-activation.
//
// `add` adds the loss of a row to a sum; `slope` returns the derivative with respect to the prediction, divided by FACTOR.
// Both take the error, the prediction minus the target. A loss of logits takes the pre-activation in its place, and needs no
// slope: the derivative with respect to that is the error.
#pragma once

#include "activations.h"

namespace lanes {

struct OfErrors {
  static constexpr bool OF_LOGITS = false;
  static constexpr int FACTOR = 1;
};

struct SquaredError : OfErrors {
  static constexpr int FACTOR = 2;
  template <class T, class V>
  static V add(V sum, V error) {
    return fma(error, error, sum);
  }
  template <class T, class V>
  static V slope(V error) {
    return error;
  }
};

struct AbsoluteError : OfErrors {
  template <class T, class V>
  static V add(V sum, V error) {
    return sum + absolute(error);
  }
  template <class T, class V>
  static V slope(V error) {
    const V one = broadcast<T>(T(1));
    return error > V{} ? one : error < V{} ? -one : error;  // zero and NaN stay as they are
  }
};

// error^2 / 2 up to an error of 1, |error| - 1/2 from there on.
struct Huber : OfErrors {
  template <class T, class V>
  static V add(V sum, V error) {
    const V near = slope<T>(error);
    return fma(near, fma(near, broadcast<T>(T(-0.5)), error), sum);
  }
  template <class T, class V>
  static V slope(V error) {
    return clamp(error, broadcast<T>(T(-1)), broadcast<T>(T(1)));
  }
};

// -t ln s(z) - (1 - t) ln(1 - s(z)), where s is the logistic function, in a form that neither cancels nor overflows.
struct CrossEntropy {
  static constexpr bool OF_LOGITS = true;
  static constexpr int FACTOR = 1;
  template <class T, class V>
  static V add(V sum, V z, V target) {
    return sum + (fma(-z, target, larger(V{}, z)) + log1p_exp<T>(-absolute(z)));
  }
};

// Name in a job spec, struct.
#define LANES_LOSSES(EACH)  \
  EACH(mse, SquaredError)   \
  EACH(mae, AbsoluteError)  \
  EACH(huber, Huber)        \
  EACH(bce, CrossEntropy)

enum class LossKind : int64_t { LANES_LOSSES(LANES_MEMBER) COUNT };
constexpr const char* LOSS_NAMES = &LANES_LOSSES(LANES_NAME)[1];  // without the first comma

// Calls work(output, loss) with objects of the structs of an output activation and a loss. A loss of logits goes with the
// logistic function alone.
template <class F>
inline void visit(OutputKind output, LossKind loss, F work) {
  visit(output, [&](auto output_kind) {
    constexpr bool IS_LOGISTIC = std::is_same_v<decltype(output_kind), Sigmoid>;
    const auto with = [&](auto loss_kind) {
      if constexpr (IS_LOGISTIC || !decltype(loss_kind)::OF_LOGITS) work(output_kind, loss_kind);
    };
    switch (loss) {
#define LANES_CASE(NAME, KIND) \
  case LossKind::KIND:         \
    return with(KIND());
      LANES_LOSSES(LANES_CASE)
#undef LANES_CASE
      default:
        return;
    }
  });
}

// Whether a program may have this output activation with this loss.
inline bool are_together(OutputKind output, LossKind loss) {
  bool are = false;
  visit(output, loss, [&](auto, auto) { are = true; });
  return are;
}

// The number by which the slopes of a loss are multiplied.
inline int gradient_factor(LossKind loss) {
  int factor = 0;
  visit(OutputKind::Sigmoid, loss, [&](auto, auto kind) { factor = kind.FACTOR; });
  return factor;
}

// Returns the derivative of the loss of a row with respect to its pre-activation z, times scale / FACTOR, and adds the loss to a
// sum.
template <class OutputActivation, class Loss, class T, class V>
inline V derivative(V z, V target, V scale, V* sum) {
  const V h = OutputActivation::template forward<T, V>(z, nullptr), error = h - target;
  if constexpr (Loss::OF_LOGITS) {
    *sum = Loss::template add<T, V>(*sum, z, target);
    return error * scale;
  } else {
    *sum = Loss::template add<T, V>(*sum, error);
    return OutputActivation::template backward<T, V>(h, nullptr, Loss::template slope<T, V>(error) * scale);
  }
}

}  // namespace lanes
