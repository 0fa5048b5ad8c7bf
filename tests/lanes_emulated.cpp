// One call of the lanes kernel as a program, to be run by an emulator. It reads the arguments from standard input, and writes
// the results and the arrays that the call changed to standard output. lanes_emulated.py is the caller.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../jobs/engines/lanes/lanes.cpp"

template <class N>
std::vector<N> read_numbers(int64_t count) {
  std::vector<N> numbers(count);
  if (std::fread(numbers.data(), sizeof(N), count, stdin) != size_t(count)) std::exit(3);
  return numbers;
}

template <class N>
void write_numbers(const std::vector<N>& numbers) {
  std::fwrite(numbers.data(), sizeof(N), numbers.size(), stdout);
}

// Solves readouts as library.py does.
int solve_all(int64_t rows, int64_t columns, int64_t models, const std::vector<double>& triangles, double* readout) {
  if (columns < WIDE_COLUMNS) return solve(rows, columns, models, triangles.data(), readout);
  const int64_t size = columns - 1, length = (size + SOLVE_PARTS - 1) / SOLVE_PARTS * SOLVE_PARTS;
  int code = 0;
  for (int64_t m = 0; m < models; m++) {
    std::vector<double> row(size * length), targets(size), squares(size);
    for (int64_t i = 0; i < size; i++) {
      const double* from = triangles.data() + (m * columns + i) * columns;
      std::copy_n(from, size, row.data() + i * length);
      targets[i] = from[size];
    }
    int64_t place[3]{};
    while (place[0] >= 0 && !code)
      code = solve_wide(rows, {size, length, row.data(), targets.data(), squares.data(), place}, readout + m * size);
  }
  return code;
}

int observe_and_solve(const Program& program, int64_t rows, const std::vector<double>& x, int64_t models, const std::vector<double>& p) {
  const auto y = read_numbers<double>(rows);
  const int64_t columns = read_numbers<int64_t>(1)[0], units = read_numbers<int64_t>(1)[0];
  auto triangles = read_numbers<double>(models * columns * columns);
  auto highest = read_numbers<double>(models * units), saturated = read_numbers<double>(models * units);
  std::vector<double> readout(models * (columns - 1));
  const int code = observe(program, rows, x.data(), y.data(), models, p.data(),
                           {triangles.data(), highest.data(), saturated.data()}) |
                   solve_all(rows, columns, models, triangles, readout.data());
  write_numbers(triangles), write_numbers(highest), write_numbers(saturated), write_numbers(readout);
  return code;
}

template <class T>
int run() {
  const auto head = read_numbers<int64_t>(11);
  const int64_t steps = head[7], rows = head[8], models = head[9], parameters = head[10];
  const auto hidden = read_numbers<int64_t>(head[1]);
  const Program program{head[0], head[1], hidden.data(), head[2], head[3], head[4], head[5], head[6]};
  const auto x = read_numbers<T>(rows * program.inputs);
  auto p = read_numbers<T>(models * parameters);
  if constexpr (std::is_same_v<T, double>)
    if (steps == -2) return observe_and_solve(program, rows, x, models, p);
  if (steps < 0) {
    std::vector<T> predictions(models * rows);
    const int code = predict<T>(program, rows, x.data(), models, p.data(), predictions.data());
    write_numbers(predictions);
    return code;
  }
  const auto y = read_numbers<T>(rows);
  const auto ends = read_numbers<int64_t>(steps);
  const auto lr_factor = read_numbers<double>(steps), first = read_numbers<double>(steps), second = read_numbers<double>(steps);
  auto state0 = read_numbers<T>(models * parameters), state1 = read_numbers<T>(models * parameters);
  const auto lr = read_numbers<double>(models), decay = read_numbers<double>(models);
  auto finite = read_numbers<int64_t>(models);
  const auto curves = read_numbers<int64_t>(2);
  const int64_t epoch_rows = curves[0], points = curves[1];
  const auto point = read_numbers<int64_t>(steps);
  auto losses = read_numbers<double>(models * points);
  const Steps<T> all{steps, ends.data(), x.data(), y.data(), lr_factor.data(), first.data(), second.data(), point.data(), epoch_rows};
  const int code = train<T>(program, all, {models, p.data(), {state0.data(), state1.data()}, lr.data(), decay.data(),
                                           finite.data(), points, losses.data()});
  write_numbers(p), write_numbers(state0), write_numbers(state1), write_numbers(finite), write_numbers(losses);
  return code;
}

int main() { return read_numbers<int64_t>(1)[0] == 4 ? run<float>() : run<double>(); }
