// Groups of models in the two layouts of network.h: copying their parameters to and from vectors, and choosing the layout.
#pragma once

#include <chrono>
#include <optional>

#include "network.h"
#include "program.h"

namespace lanes {

// The models `first` to before `first + width`, which are trained in the same vectors.
template <class T, class Layout>
struct Group {
  using V = typename Lanes<T>::V;
  const Shape<Layout>& shape;
  int64_t first, width;

  // Returns the model of a lane. Lanes without a model compute a copy of the first one.
  int64_t model(int lane) const { return first + (lane < width ? lane : 0); }

  // Returns the numbers of this group as vectors, from the array [models][parameters] of all models.
  std::vector<V> load(const T* flat) const {
    std::vector<V> vectors(size_t(shape.vectors));
    const int64_t P = parameters();
    each(Lanes<T>::count, [=](T& number, int64_t model, int64_t i) { number = flat[model * P + i]; }, vectors);
    return vectors;
  }

  // Copies vectors back into the array of all models.
  void save(std::vector<V>& vectors, T* flat) const {
    const int64_t P = parameters();
    each(width, [=](T& number, int64_t model, int64_t i) { flat[model * P + i] = number; }, vectors);
  }

 private:
  int64_t parameters() const {
    int64_t sum = 0;
    for (const Layer& layer : shape.layers) sum += (layer.inputs + 1) * layer.outputs;
    return sum;
  }

  // Calls change(number in the vectors, model, its index among the model's parameters) for all parameters of the lanes.
  template <class F>
  void each(int64_t lanes, F change, std::vector<V>& vectors) const {
    T* numbers = reinterpret_cast<T*>(vectors.data());
    int64_t i = 0;
    for (const Layer& layer : shape.layers)
      for (int64_t row = 0; row <= layer.inputs; row++)
        for (int64_t o = 0; o < layer.outputs; o++, i++) {
          T* at = numbers + (layer.start + row * layer.columns) * Lanes<T>::count;
          if constexpr (Layout::BY_UNIT)
            change(at[o], first, i);
          else
            for (int l = 0; l < lanes; l++) change(at[o * Lanes<T>::count + l], model(l), i);
        }
  }
};

// Runs groups in one layout, one after the other in the same memory.
template <class T, class Layout>
class InLayout {
 public:
  InLayout(const Program& program, int64_t most_rows, bool trains)
      : shape_(program.inputs, program.depth, program.hidden, Activation(program.activation)),
        network_(shape_, most_rows, trains) {}

  // Calls work(group, network) for each group of the models `first` to before `last`.
  template <class F>
  void each(int64_t first, int64_t last, F work) {
    for (; first < last; first += Layout::models)
      work(Group<T, Layout>{shape_, first, std::min<int64_t>(Layout::models, last - first)}, network_);
  }

 private:
  const Shape<Layout> shape_;
  Network<T, Layout> network_;
};

// Both layouts. The memory of each is allocated on its first use.
template <class T>
class Layouts {
 public:
  Layouts(const Program& program, int64_t most_rows, bool trains)
      : program_(program), most_rows_(most_rows), trains_(trains) {}

  // Calls work(group, network) for each group of the models `first` to before `last`, in one of the layouts.
  template <class F>
  void each(bool by_unit, int64_t first, int64_t last, F work) {
    if (by_unit)
      allocated(by_unit_).each(first, last, work);
    else
      allocated(by_model_).each(first, last, work);
  }

  // Estimates the time in ByUnit divided by the time in ByModel; a program that fixes the layout is not estimated.
  double by_unit_to_by_model(int64_t models) const {
    if (program_.layout) return program_.layout == 1 ? INFINITY : 0;
    return program_.by_unit_to_by_model(models, most_rows_, Lanes<T>::count, VECTOR_BYTES);
  }

 private:
  template <class Layout>
  InLayout<T, Layout>& allocated(std::optional<InLayout<T, Layout>>& layout) {
    if (!layout) layout.emplace(program_, most_rows_, trains_);
    return *layout;
  }

  const Program& program_;
  const int64_t most_rows_;
  const bool trains_;
  std::optional<InLayout<T, ByModel<T>>> by_model_;
  std::optional<InLayout<T, ByUnit<T>>> by_unit_;
};

// The layout for groups of one width. Where the estimate is not decisive, both are timed on the first group. They give the
// same bits, so the timed steps are part of the training, and a wrong choice only costs time, until the next call.
class Choice {
 public:
  Choice(double by_unit_to_by_model, int64_t steps)
      : by_unit_(by_unit_to_by_model < 1),
        undecided_(by_unit_to_by_model > 0.5 && by_unit_to_by_model < 2 && steps >= LEAST_STEPS) {}

  // Runs all steps with `advance(by_unit, from, to)`, which returns seconds as train_group does.
  template <class F>
  void run(int64_t steps, F advance) {
    int64_t done = 0;
    if (undecided_) {
      const int64_t timed = 2 + steps / 128;
      const double by_model = advance(false, 0, timed);
      by_unit_ = advance(true, timed, 2 * timed) < by_model;
      undecided_ = false;
      done = 2 * timed;
    }
    advance(by_unit_, done, steps);
  }

 private:
  static constexpr int64_t LEAST_STEPS = 24;
  bool by_unit_, undecided_;
};

}  // namespace lanes
