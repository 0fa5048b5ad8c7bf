// The program that all models of a call share: its validation, and which layout trains it faster.
#pragma once

#include <cmath>
#include <cstdint>

#include "losses.h"
#include "optimizers.h"

namespace lanes {

constexpr int64_t MOST = int64_t(1) << 40;  // limit of every count and array length, so that no size overflows

// Weights of up to this many inputs have gradients that are sums over rows. A product would have too few chains.
constexpr int64_t FEW_INPUTS = 2;

// What a step costs in each layout.
struct Costs {
  double group, alone;
};

struct Program {
  int64_t inputs, depth;
  const int64_t* hidden;
  int64_t activation, output;
  int64_t layout;  // 0 the faster one, 1 ByModel, 2 ByUnit if there is a hidden layer
  int64_t optimizer, loss;

  // Whether ByUnit trains this many models, of at most as many as there are lanes, faster than ByModel, which takes as long
  // for one model as for all lanes.
  template <class T>
  bool by_unit(int64_t models, int64_t rows) const {
    if (layout || !depth) return layout == 2 && depth;
    const Costs costs = layout_costs<T>(rows);
    return double(models) * costs.alone <= costs.group;
  }

  // The costs of a step with hidden layers: in ByModel, for all lanes, and of one model in ByUnit. They are processor cycles
  // per row of a batch: a fixed one of a step, and of each layer the products, the passes over its units, and the update of
  // its weights; with fewer than 16 lanes, the output of a row costs ByUnit two more. They were fitted to measurements by
  // benchmarks/choice.py on two processors. One of them computes vectors of 64 bytes in two halves, so that ByModel, which
  // loads more and broadcasts less, is up to 15 % better there: the factor of its products is between the two.
  template <class T>
  Costs layout_costs(int64_t rows) const {
    constexpr double PASS = VECTOR_BYTES == 64 ? 4.4 : 6.5, LANES = Lanes<T>::count;
    const double update = (sizeof(T) == 8 ? 38 : 24) / double(rows), fixed = 400 / double(rows);
    Costs costs{fixed, fixed + (LANES < 16 ? 2 : 0)};
    double below = double(inputs);
    for (int64_t l = 0; l < depth; l++) {
      // The first layer has two of the three products, and with few inputs none: it has no gradient of its inputs.
      const double units = double(hidden[l]), columns = std::ceil(units / LANES);
      const double product = l ? below : inputs > FEW_INPUTS ? below * 2 / 3 : 0;
      costs.group += units * (1.72 * product + 8 + update * (below + 1));
      costs.alone += columns * (1.5 * product + PASS + update * (below + 1));
      below = units;
    }
    return costs;
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
