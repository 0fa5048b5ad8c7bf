// The initial parameters of all models, from what recipe.py says of them.
#pragma once

#include <algorithm>
#include <vector>

#include "draws.h"
#include "program.h"

namespace lanes {

// What the initial parameters follow from. A rise of 0 means that a model's knots aren't spread.
struct Recipe {
  int64_t models, kinds;
  const uint64_t* seeds;            // [models]
  const int64_t* kind;              // [models]: index among the kinds
  const double* bounds;             // [kinds][layers][2]: of weights and of biases
  const double* rise;               // [models]: 0 or a power of two
  const double *low, *high, *share;  // [inputs]: ranges, and widths of the ranges as shares of the largest
  const double* knots;              // [units of the first layer]: how far along the range they lie

  bool valid(const Program& program) const {
    if (models < 1 || models > MOST || kinds < 1 || kinds > MOST || !seeds || !kind || !bounds || !rise) return false;
    if (!low || !high || !share || (program.depth && !knots)) return false;
    return std::all_of(kind, kind + models, [&](int64_t k) { return k >= 0 && k < kinds; });
  }
};

// Writes `count` draws of a model and a purpose, times a factor.
template <class T>
void fill(uint64_t seed, unsigned purpose, double bound, double factor, int64_t count, T* numbers) {
  constexpr int AT_ONCE = 64;  // counters: words, draws and numbers stay in the cache
  double drawn[4 * AT_ONCE];
  for (int64_t first = 0; first < count; first += 4 * AT_ONCE) {
    draws::draw<AT_ONCE>(seed, purpose, unsigned(first / 4), drawn);
    const int64_t here = std::min<int64_t>(4 * AT_ONCE, count - first);
    for (int64_t i = 0; i < here; i++) numbers[first + i] = T(drawn[i] * bound * factor);
  }
}

// Writes the first layer [inputs + 1][units] of a model whose knots are spread. `weights` is memory for its draws.
template <class T>
void spread(const Recipe& recipe, int64_t model, double bound, int64_t inputs, int64_t units, std::vector<double>& weights,
            T* numbers) {
  weights.resize(size_t(inputs * units));
  fill(recipe.seeds[model], draws::WEIGHTS, bound, 1.0, inputs * units, weights.data());
  for (int64_t u = 0; u < units; u++) {
    const auto weight = [&](int64_t i) {
      const double w = weights[size_t(i * units + u)] / recipe.share[i];
      return inputs == 1 ? std::abs(w) : w;
    };
    const auto knot_of = units == 1 ? draws::knot<true, decltype(weight)> : draws::knot<false, decltype(weight)>;
    const auto [rise, bias] = knot_of(weight, recipe.low, recipe.high, inputs, recipe.rise[model], recipe.knots[u]);
    for (int64_t i = 0; i < inputs; i++) numbers[i * units + u] = T(weight(i) * rise);
    numbers[inputs * units + u] = T(bias);
  }
}

// Writes the parameters [models][parameters of a model].
template <class T>
void draw_all(const Program& program, const Recipe& recipe, T* numbers) {
  std::vector<double> weights;
  for (int64_t m = 0; m < recipe.models; m++) {
    const double* bounds = recipe.bounds + recipe.kind[m] * 2 * (program.depth + 1);
    int64_t inputs = program.inputs;
    for (int64_t l = 0; l <= program.depth; l++, bounds += 2) {
      const int64_t units = l < program.depth ? program.hidden[l] : 1, count = inputs * units;
      const bool has_knots = program.depth && recipe.rise[m] > 0;
      if (has_knots && l == 0) {
        spread(recipe, m, bounds[0], inputs, units, weights, numbers);
      } else {
        const unsigned purpose = draws::PURPOSES * unsigned(l);
        fill(recipe.seeds[m], draws::WEIGHTS + purpose, bounds[0], has_knots && l == 1 ? 1 / recipe.rise[m] : 1.0, count, numbers);
        fill(recipe.seeds[m], draws::BIASES + purpose, bounds[1], 1.0, units, numbers + count);
      }
      numbers += count + units;
      inputs = units;
    }
  }
}

}  // namespace lanes
