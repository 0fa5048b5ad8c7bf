// Groups of models in the two layouts of network.h, and copying their parameters to and from vectors.
#pragma once

#include "network.h"

namespace lanes {

// The models `first` to before `first + width`, which are trained in the same vectors.
template <class T, class Layout>
struct Group {
  using V = typename Lanes<T>::V;
  const Shape<Layout>& shape;
  int64_t first, width;

  long inputs() const { return shape.hidden.empty() ? shape.output.inputs : shape.hidden[0].inputs; }

  // Returns the model of a lane. Lanes without a model compute a copy of the first one.
  int64_t model(int lane) const { return first + (lane < width ? lane : 0); }

  // Copies the numbers of this group from the array [models][parameters] of all models into vectors. Lanes that pad a column
  // keep what they hold.
  void load(const T* flat, std::vector<V>& vectors) const {
    vectors.resize(size_t(shape.vectors));
    const int64_t P = parameters();
    each(Lanes<T>::count, [=](T* to, int64_t model, int64_t i, int64_t count) { std::copy_n(flat + model * P + i, count, to); },
         vectors);
  }

  // Copies vectors back into the array of all models.
  void save(std::vector<V>& vectors, T* flat) const {
    const int64_t P = parameters();
    each(width, [=](T* from, int64_t model, int64_t i, int64_t count) { std::copy_n(from, count, flat + model * P + i); },
         vectors);
  }

 private:
  int64_t parameters() const {
    int64_t sum = shape.output.inputs + 1;
    for (const Layer& layer : shape.hidden) sum += (layer.inputs + 1) * layer.outputs;
    return sum;
  }

  // Calls copy(numbers in the vectors, model, index among the model's parameters, count) for all parameters of the lanes.
  template <class F>
  void each(int64_t lanes, F copy, std::vector<V>& vectors) const {
    int64_t index = 0;
    // `count` parameters, of which each column is `stride` vectors after the one before it.
    const auto row = [&](long start, long count, long stride) {
      constexpr long W = Lanes<T>::count;
      T* numbers = reinterpret_cast<T*>(vectors.data() + start);
      if constexpr (Layout::BY_UNIT)
        for (long o = 0; o < count; o += W) copy(numbers + o * stride, first, index + o, std::min(W, count - o));
      else
        for (long o = 0; o < count; o++)
          for (int l = 0; l < lanes; l++) copy(numbers + o * W * stride + l, model(l), index + o, 1);
      index += count;
    };
    for (const Layer& layer : shape.hidden)
      for (long k = 0; k <= layer.inputs; k++) row(layer.start + k, layer.outputs, layer.inputs + 1);
    row(shape.output.start, shape.output.inputs, 1);
    row(shape.output.start + shape.output.columns, 1, 1);
  }
};

// Calls work(group, network) for each group of all models in one layout, one after the other in the same memory.
template <class T, class Layout, class F>
void each_group(const Program& program, int64_t first, int64_t last, int64_t most_rows, bool trains, F work) {
  const Shape<Layout> shape(program);
  Network<T, Layout> network(shape, most_rows, trains);
  for (; first < last; first += Layout::models)
    work(Group<T, Layout>{shape, first, std::min<int64_t>(Layout::models, last - first)}, network);
}

// Calls work(group, network) for each group of all models, each in the layout that is faster for it.
template <class T, class F>
void each_group(const Program& program, int64_t models, int64_t most_rows, bool trains, F work) {
  // The last models may be too few to fill a vector.
  const int64_t whole = models / Lanes<T>::count * Lanes<T>::count;
  int64_t first = 0;
  for (const int64_t last : {whole, models}) {
    if (first == last) continue;
    if (program.by_unit<T>(std::min<int64_t>(last - first, Lanes<T>::count), most_rows))
      each_group<T, ByUnit<T>>(program, first, last, most_rows, trains, work);
    else
      each_group<T, ByModel<T>>(program, first, last, most_rows, trains, work);
    first = last;
  }
}

}  // namespace lanes
