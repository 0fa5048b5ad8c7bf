// Losses: one struct for each. What a row of the output layer adds to the loss, and the derivative of the loss with respect to
// its pre-activation.
//
// `value` is the loss of a row, `slope` its derivative with respect to the prediction, divided by a factor that the caller puts
// into the scale of the gradients. Both take the error, the prediction minus the target. A loss of logits takes the
// pre-activation in its place, and needs no slope: the derivative with respect to that is the error.

namespace losses {
struct OfErrors {
  static constexpr bool OF_LOGITS = false;
};

struct mse : OfErrors {
  static DEV T add(T sum, T error, T) { return fma(error, error, sum); }
  static DEV T slope(T error) { return error; }
};

struct mae : OfErrors {
  static DEV T add(T sum, T error, T) { return sum + functions::absolute(error); }
  static DEV T slope(T error) { return error > T(0) ? T(1) : error < T(0) ? T(-1) : error; }  // zero and NaN stay
};

// error^2 / 2 up to an error of 1, |error| - 1/2 from there on.
struct huber : OfErrors {
  static DEV T add(T sum, T error, T) {
    const T near = slope(error);
    return fma(near, fma(near, T(-0.5), error), sum);
  }
  static DEV T slope(T error) { return functions::clamp(error, T(-1), T(1)); }
};

// -t ln s(z) - (1 - t) ln(1 - s(z)), where s is the logistic function, in a form that neither cancels nor overflows.
struct bce {
  static constexpr bool OF_LOGITS = true;
  static DEV T slope(T error) { return error; }
  static DEV T add(T sum, T z, T target) {
    return sum + (fma(-z, target, positive(z)) + functions::log1p_exp(-functions::absolute(z)));
  }
};
}  // namespace losses

using Output = outputs::OUTPUT;
using Loss = losses::LOSS;

// Returns the derivative of the loss of a row with respect to its pre-activation z, times scale, and adds the loss to a sum.
// A row that is not real counts for nothing.
DEV T derivative(T z, T target, T scale, bool real, T& sum) {
  const T h = Output::forward(z, nullptr), error = real ? h - target : T(0);
  if constexpr (Loss::OF_LOGITS) {
    sum = real ? Loss::add(sum, z, target) : sum;
    return error * scale;
  } else {
    sum = Loss::add(sum, error, target);
    return Output::backward(Loss::slope(error) * scale, h);
  }
}
