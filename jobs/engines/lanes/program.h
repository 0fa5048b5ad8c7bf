// The program that all models of a call share: its validation, and which layout trains it faster.
#pragma once

#include <cmath>
#include <cstdint>

#include "losses.h"
#include "optimizers.h"

namespace lanes {

constexpr int64_t MOST = int64_t(1) << 40;  // limit of every count and array length, so that no size overflows

struct Program {
  int64_t inputs, depth;
  const int64_t* hidden;
  int64_t activation, output;
  int64_t layout;  // 0 the faster one, 1 ByModel, 2 ByUnit if there is a hidden layer
  int64_t optimizer, loss;

  // Whether ByUnit trains this many models, of at most as many as there are lanes, faster than ByModel, which takes as long
  // for one model as for all lanes. The costs are processor cycles per row of a batch, fitted to the measurements of
  // benchmarks/choice.py: a fixed one of a step, those of the products, of the passes over the units, and of the update.
  bool by_unit(int64_t models, int64_t rows, int64_t lanes) const {
    if (layout || !depth) return layout == 2 && depth;
    const double update = 24 / double(rows);
    double group = 400 / double(rows), alone = group, below = double(inputs);
    for (int64_t l = 0; l < depth; l++) {
      const double units = double(hidden[l]), columns = std::ceil(units / double(lanes)), product = l ? below : 0;
      group += units * (1.83 * product + 8 + update * (below + 1));
      alone += columns * (1.5 * product + 4.7 + update * (below + 1));
      below = units;
    }
    return double(models) * alone <= group;
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
    if (output < 0 || output >= int64_t(OutputKind::COUNT) || loss < 0 || loss >= int64_t(LossKind::COUNT)) return false;
    if (!are_together(OutputKind(output), LossKind(loss))) return false;
    for (int64_t l = 0; l < depth; l++)
      if (hidden[l] < 1 || hidden[l] > MOST) return false;
    return parameters() < double(MOST);
  }
};

}  // namespace lanes
