// Copies rows into batches, in the order in which they are trained on. It comes after shape.cuh or linear.cuh, which define XS,
// the numbers from one row of a batch to the next.

// order [count]: indices of rows, or -1 for padding, which becomes zeros. x_rows [.][NIN], y_rows [.] -> x [count][XS],
// y [count].
extern "C" __global__ void gather(const T* x_rows, const T* y_rows, const int* order, int count, T* x, T* y) {
  const long long all = (long long)count * XS, stride = (long long)gridDim.x * blockDim.x;
  for (long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x; at < all; at += stride) {
    const long long to = at / XS;
    const int column = (int)(at % XS);
    const long long from = order[to];
    x[at] = from >= 0 && column < NIN ? x_rows[from * NIN + column] : T(0);
    if (column == 0) y[to] = from >= 0 ? y_rows[from] : T(0);
  }
}
