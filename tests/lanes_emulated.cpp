// One call of the lanes kernel as a program, for processors that only an emulator runs here: arguments on standard input,
// what the call changes or returns on standard output. lanes_emulated.py is the other end.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../jobs/engines/lanes/lanes.cpp"

template <class N>
std::vector<N> take(int64_t count) {
  std::vector<N> numbers(count);
  if (std::fread(numbers.data(), sizeof(N), count, stdin) != size_t(count)) std::exit(3);
  return numbers;
}

template <class N>
void give(const std::vector<N>& numbers) {
  std::fwrite(numbers.data(), sizeof(N), numbers.size(), stdout);
}

template <class T>
int answer() {
  const auto head = take<int64_t>(9);
  const int64_t steps = head[5], rows = head[6], models = head[7], parameters = head[8];
  const auto hidden = take<int64_t>(head[1]);
  const Program program{head[0], head[1], hidden.data(), head[2], head[3], head[4]};
  const auto x = take<T>(rows * program.inputs);
  auto p = take<T>(models * parameters);
  if (steps < 0) {
    std::vector<T> predictions(models * rows);
    const int code = predict<T>(program, rows, x.data(), models, p.data(), predictions.data());
    give(predictions);
    return code;
  }
  const auto y = take<T>(rows);
  const auto ends = take<int64_t>(steps);
  const auto lr_factor = take<double>(steps), first = take<double>(steps), second = take<double>(steps);
  auto state0 = take<T>(models * parameters), state1 = take<T>(models * parameters);
  const auto lr = take<double>(models), decay = take<double>(models);
  auto finite = take<int64_t>(models);
  const int code = train<T>(program, {steps, ends.data(), x.data(), y.data(), lr_factor.data(), first.data(), second.data()},
                            {models, p.data(), {state0.data(), state1.data()}, lr.data(), decay.data(), finite.data()});
  give(p), give(state0), give(state1), give(finite);
  return code;
}

int main() { return take<int64_t>(1)[0] == 4 ? answer<float>() : answer<double>(); }
