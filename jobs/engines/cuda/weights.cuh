// Draws initial parameters on the device, to the bits of initialize.py. It comes after ../lanes/draws.h, and works for all
// shapes: a module of a dtype serves all programs.
//
// Macros: T, IS_DOUBLE, HAS_KNOTS, DRAWS_INLINE, DRAWS_LOOP. Kernels for knots take most of the compilation, and few packs need
// them.

// A number rounded to T. Kernels are compiled to flush the denormals of float, which numpy keeps.
__device__ __forceinline__ T rounded(double v) {
#if IS_DOUBLE
  return v;
#else
  const double size = fabs(v);
  if (!(size < 0x1p-126)) return (float)v;
  const unsigned denormal = (unsigned)rint(size * 0x1p149);
  return __uint_as_float(denormal | (signbit(v) ? 0x80000000u : 0u));
#endif
}

// The weights or the biases of a layer: `count` numbers of a model, from its number `start` on. The bound of kind k is
// bounds[first_bound + k]. Threads: x four numbers each, y models. What initialize_knots writes is left out.
extern "C" __global__ void initialize(long long models, long long parameters, const unsigned long long* seeds, const int* kind,
                                      const double* rise, const double* bounds, int first_bound, int layer, int is_bias,
                                      long long start, long long count, T* numbers) {
  const unsigned purpose = (is_bias ? draws::BIASES : draws::WEIGHTS) + draws::PURPOSES * (unsigned)layer;
  const long long quads = (count + 3) / 4, across = (long long)gridDim.x * blockDim.x, down = (long long)gridDim.y * blockDim.y;
  for (long long m = (long long)blockIdx.y * blockDim.y + threadIdx.y; m < models; m += down) {
    const bool has_knots = rise[m] > 0;
    if (has_knots && layer == 0) continue;
    const double bound = bounds[first_bound + kind[m]], factor = has_knots && layer == 1 && !is_bias ? 1 / rise[m] : 1.0;
    T* to = numbers + m * parameters + start;
    for (long long q = (long long)blockIdx.x * blockDim.x + threadIdx.x; q < quads; q += across) {
      double drawn[4];
      draws::draw<1>(seeds[m], purpose, (unsigned)q, drawn);
      for (int k = 0; k < 4; k++)
        if (4 * q + k < count) to[4 * q + k] = rounded(drawn[k] * bound * factor);
    }
  }
}

#if HAS_KNOTS

// The draw of one weight of the first layer. It is no part of its callers, which would take seconds to compile.
__device__ __noinline__ double weight_drawn(unsigned long long seed, long long place) {
  double drawn[4];
  draws::draw<1>(seed, draws::WEIGHTS, (unsigned)(place / 4), drawn);
  const int k = (int)(place % 4);
  return k == 0 ? drawn[0] : k == 1 ? drawn[1] : k == 2 ? drawn[2] : drawn[3];
}

// The first layer [inputs + 1][units] of the models whose knots are spread. Threads: x units, y models.
template <bool IS_ALONE>
__device__ __forceinline__ void knots_of_all(long long models, long long parameters, const unsigned long long* seeds,
                                             const int* kind, const double* rise, const double* bounds, const double* low,
                                             const double* high, const double* share, const double* knots, long long inputs,
                                             long long units, T* numbers) {
  const long long across = (long long)gridDim.x * blockDim.x, down = (long long)gridDim.y * blockDim.y;
  for (long long m = (long long)blockIdx.y * blockDim.y + threadIdx.y; m < models; m += down) {
    if (!(rise[m] > 0)) continue;
    const double bound = bounds[kind[m]];
    for (long long u = (long long)blockIdx.x * blockDim.x + threadIdx.x; u < units; u += across) {
      const auto weight = [&](long long i) {
        const double w = weight_drawn(seeds[m], i * units + u) * bound / share[i];
        return inputs == 1 ? fabs(w) : w;
      };
      const draws::Knot found = draws::knot<IS_ALONE>(weight, low, high, inputs, rise[m], knots[u]);
      T* to = numbers + m * parameters + u;
      DRAWS_LOOP for (long long i = 0; i < inputs; i++) to[i * units] = rounded(weight(i) * found.rise);
      to[inputs * units] = rounded(found.bias);
    }
  }
}

#define KNOTS(NAME, IS_ALONE)                                                                                                   \
  extern "C" __global__ void NAME(long long models, long long parameters, const unsigned long long* seeds, const int* kind,     \
                                  const double* rise, const double* bounds, const double* low, const double* high,              \
                                  const double* share, const double* knots, long long inputs, long long units, T* numbers) {    \
    knots_of_all<IS_ALONE>(models, parameters, seeds, kind, rise, bounds, low, high, share, knots, inputs, units, numbers);     \
  }
KNOTS(initialize_knots, false)
KNOTS(initialize_lone_knots, true)  // of a layer of one unit: they take more memory of each thread

#endif
