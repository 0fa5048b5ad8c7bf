// The maximum of float32 operations a core can do: independent chains of fused multiply-adds, no memory access.
// BYTES is the width of a vector. CHAINS exceeds latency (4) times number of units (2).
typedef float vector __attribute__((vector_size(BYTES)));
constexpr int CHAINS = 12;

extern "C" float chains(long rounds) {
    vector sums[CHAINS] = {};
    vector a = sums[0] + 0.999f, b = sums[0] + 0.001f;
    for (int c = 0; c < CHAINS; c++) sums[c] += float(c);  // all different, so that the compiler can't merge chains
    for (long i = 0; i < rounds; i++) {
        asm volatile("" : "+x"(a), "+x"(b));
        for (int c = 0; c < CHAINS; c++) sums[c] = sums[c] * a + b;
    }
    float total = 0;
    for (int c = 0; c < CHAINS; c++)
        for (unsigned i = 0; i < BYTES / sizeof(float); i++) total += sums[c][i];
    return total;
}
