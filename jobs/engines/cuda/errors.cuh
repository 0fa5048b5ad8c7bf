// The kernels `sums`: over rows, of the errors of predictions, as metrics.Sums has them. One model per block; each thread takes
// every 128th row, and the threads' sums are added by halves. Concatenated after platform.cuh, for T double.

constexpr int THREADS = 128, SUMS = 7;

// NaN if one of them is.
DEV T larger(T a, T b) { return b > a || b != b ? b : a; }

// Writes sums [SUMS][models]. A prediction is made an answer by a scale and a shift; `chosen` is 1 for rows that also count
// separately.
template <class P>
DEV void sum_up(const P* predicted, const T* expected, const unsigned char* chosen, int rows, T scale, T shift, T* sums) {
  __shared__ T parts[SUMS][THREADS];
  T squares = 0, rounded_squares = 0, largest = 0, exact = 0, absolute = 0, chosen_squares = 0, right_side = 0;
  predicted += (long long)blockIdx.x * rows;
  for (int n = threadIdx.x; n < rows; n += THREADS) {
    const T answer = T(predicted[n]) * scale + shift, target = expected[n];
    const T error = answer - target, rounded_error = rint(answer) - target, square = error * error;
    squares += square;
    rounded_squares += rounded_error * rounded_error;
    largest = larger(largest, fabs(error));
    exact += rounded_error == 0;
    absolute += fabs(error);
    if (chosen[n]) chosen_squares += square;
    right_side += (answer >= 0.5) == (target >= 0.5);
  }
  const T own[SUMS] = {squares, rounded_squares, largest, exact, absolute, chosen_squares, right_side};
  UNROLL for (int k = 0; k < SUMS; k++) parts[k][threadIdx.x] = own[k];
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (int(threadIdx.x) < half) UNROLL for (int k = 0; k < SUMS; k++) {
      T* const part = parts[k] + threadIdx.x;
      part[0] = k == 2 ? larger(part[0], part[half]) : part[0] + part[half];
    }
  }
  __syncthreads();
  if (threadIdx.x < SUMS) sums[threadIdx.x * gridDim.x + blockIdx.x] = parts[threadIdx.x][0];
}

#define SUM_UP(NAME, P)                                                                                                     \
  extern "C" __global__ void __launch_bounds__(THREADS)                                                                     \
  NAME(const P* predicted, const T* expected, const unsigned char* chosen, int rows, T scale, T shift, T* sums) {           \
    sum_up(predicted, expected, chosen, rows, scale, shift, sums);                                                          \
  }
SUM_UP(sums_float32, float)
SUM_UP(sums_float64, double)
