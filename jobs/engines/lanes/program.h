// The program that all models of a call share: its validation, and an estimate of which layout trains it faster.
#pragma once

#include <cmath>
#include <cstdint>

#include "activations.h"
#include "optimizers.h"

namespace lanes {

constexpr int64_t MOST = int64_t(1) << 40;  // limit of every count and array length, so that no size overflows

struct Program {
  int64_t inputs, depth;
  const int64_t* hidden;
  int64_t activation, optimizer, layout;  // layout: 0 the faster one, 1 ByModel, 2 ByUnit

  // Estimates the time of a step in ByUnit divided by its time in ByModel, for this many models and rows. The cost is the
  // number of fused multiply-adds, of passes over the activations, and of updated parameters. The estimate is within a
  // factor of 1.6 of what benchmarks/choice.py measures, from 4 to 512 units.
  double by_unit_to_by_model(int64_t models, int64_t rows, int64_t lanes, int64_t vector_bytes) const {
    // Operations per row: ByModel spends a vector on each unit, ByUnit one on as many units as it has lanes.
    double whole = 0, units = 0, unit_parameters = 0, values = 0, below = double(inputs);
    for (int64_t l = 0; l <= depth; l++) {
      const double outputs = l < depth ? double(hidden[l]) : 1, columns = std::ceil(outputs / double(lanes));
      whole += (2 * below + 1 + (l ? below : 0)) * outputs;
      units += (2 * below + 1) * columns + (l ? outputs * std::ceil(below / double(lanes)) : 0);
      unit_parameters += (below + 1) * columns;
      values += l < depth ? outputs : 0;
      below = outputs;
    }

    // The weights of the terms are fitted to the measurements. ByModel is slower where the parameters of a group don't fit
    // the level 2 cache.
    const double passes = 16 * double(depth) + 3.3 * values, unit_passes = 8 * double(depth) + 0.35 * values;
    const double group = double(rows) * (0.183 * whole + passes) + 5 * parameters();
    const double alone = double(rows) * (0.25 * units + unit_passes) + 5 * unit_parameters;
    const bool cached = parameters() * double(vector_bytes) < double(512 << 10);
    return double(models) * alone / (cached ? group : 1.5 * group);
  }

  // Parameters of one model; a double, since their number may overflow before it was validated.
  double parameters() const {
    double sum = 0, below = double(inputs);
    for (int64_t l = 0; l < depth; l++) {
      sum += (below + 1) * double(hidden[l]);
      below = double(hidden[l]);
    }
    return sum + below + 1;
  }

  bool valid() const {
    if (inputs < 1 || inputs > MOST || depth < 0 || depth > 1000 || (depth && !hidden)) return false;
    if (activation < 0 || activation >= int64_t(Activation::COUNT)) return false;
    if (optimizer < 0 || optimizer >= int64_t(Optimizer::COUNT) || layout < 0 || layout > 2) return false;
    for (int64_t l = 0; l < depth; l++)
      if (hidden[l] < 1 || hidden[l] > MOST) return false;
    return parameters() < double(MOST);
  }
};

}  // namespace lanes
