// The kernel `solve`: the output layer that fits the rows of a triangle best, as in lanes/readout.h, with one model per block and
// to the same bits. There the algorithm is explained; here is what is done at the same time.
//
// Rotations of disjoint pairs of rows don't depend on each other. The pairs (i, j) with the same i + j are rotated at once, and
// these sums in ascending order. So each row meets the others in the order of lanes, which takes pair by pair. Concatenated
// after features.cuh.

constexpr int SWEEPS = 40;  // MOST_SWEEPS of lanes/wide.h
constexpr T EPSILON = 0x1p-52;

// Makes two rows orthogonal, of which the longer one becomes the first. Returns whether they weren't.
DEV bool rotate(T* a, T* b, int size) {
  T aa = 0, ab = 0, bb = 0;
  for (int k = 0; k < size; k++) aa = fma(a[k], a[k], aa), ab = fma(a[k], b[k], ab), bb = fma(b[k], b[k], bb);
  if (!(functions::absolute(ab) > EPSILON * size * (sqrt(aa) * sqrt(bb)))) return false;  // also for NaN
  const T zeta = (bb - aa) / (ab + ab);  // the smaller of the two angles (Rutishauser 1966)
  const T tangent = functions::with_sign_of(zeta, 1.0 / (functions::absolute(zeta) + sqrt(fma(zeta, zeta, 1.0))));
  const T cosine = 1.0 / sqrt(fma(tangent, tangent, 1.0)), sine = cosine * tangent;
  for (int k = 0; k <= size; k++) {
    const T first = fma(cosine, a[k], -(sine * b[k])), second = fma(sine, a[k], cosine * b[k]);
    a[k] = bb > aa ? second : first, b[k] = bb > aa ? first : second;
  }
  return true;
}

// Rotates each pair of rows once. Returns whether any weren't orthogonal.
DEV bool sweep(T* r, int size, int length, int* rotated) {
  bool any = false;
  for (int sum = 1; sum <= 2 * size - 3; sum++) {
    const int i = threadIdx.x + (sum < size ? 0 : sum - size + 1), j = sum - i;
    if (i < j) any |= rotate(r + i * length, r + j * length, size);
    __syncthreads();
  }
  if (any) *rotated = 1;
  __syncthreads();
  any = *rotated;
  __syncthreads();
  if (threadIdx.x == 0) *rotated = 0;
  return any;
}

// Writes the readout of rows that are orthogonal: they are the right singular vectors times their singular values.
DEV void least_norm(const T* r, int size, int length, T least_share, T* squares, T* readout) {
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    squares[i] = 0;
    for (int k = 0; k < size; k++) squares[i] = fma(r[i * length + k], r[i * length + k], squares[i]);
  }
  __syncthreads();
  T largest = 0;
  for (int i = 0; i < size; i++) largest = squares[i] > largest ? squares[i] : largest;
  const T least = least_share * sqrt(largest);
  for (int k = threadIdx.x; k < size; k += blockDim.x) {
    T sum = 0;
    for (int i = 0; i < size; i++) {
      const T factor = sqrt(squares[i]) <= least ? 0.0 : r[i * length + size] / squares[i];
      sum = fma(r[i * length + k], factor + (largest - largest), sum);
    }
    readout[k] = sum;
  }
}

// Writes the readouts [models][columns - 1] of triangles of so many rows; NaN for a triangle that isn't finite.
extern "C" __global__ void __launch_bounds__(MOST_THREADS)
solve(long long rows, int columns, const T* triangles, T* readout) {
  SHARED(s);
  const long long model = blockIdx.x;
  const int size = columns - 1, length = columns | 1;  // odd, so that threads at the same place of their rows don't conflict
  T *r = s, *squares = s + size * length;
  int *rotated = reinterpret_cast<int*>(squares + size), *is_infinite = rotated + 1;
  triangles += model * columns * columns, readout += model * size;
  if (threadIdx.x == 0) *rotated = *is_infinite = 0;
  __syncthreads();
  for (int at = threadIdx.x; at < columns * columns; at += blockDim.x) {
    const T number = triangles[at];
    if (at < size * columns) r[at / columns * length + at % columns] = number;
    if (number - number != 0) *is_infinite = 1;
  }
  __syncthreads();
  if (*is_infinite) {
    for (int k = threadIdx.x; k < size; k += blockDim.x) readout[k] = number_of(0x7ff8000000000000ll);
    return;
  }
  for (int count = 0; count < SWEEPS && sweep(r, size, length, rotated);) count++;
  least_norm(r, size, length, EPSILON * T(rows > size ? rows : size), squares, readout);
}
