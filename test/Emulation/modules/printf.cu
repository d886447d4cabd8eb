#include <cstdio>
__constant__ int table[4] = {1, 2, 3, 4};
__device__ int *link = 0;
__device__ __noinline__ int twice(int a) { return a < 2 ? a : twice(a - 1) + table[a & 3]; }
extern "C" __global__ void seed(int *p, int n) {
  __shared__ int s[64];
  int i = threadIdx.x;
  s[i] = p[i] + twice(n & 7);
  __syncthreads();
  if (i == 0 && n > 100) printf("%d %s %f\n", s[1], "text", 1.5);
  p[i] = s[i ^ 1];
}
