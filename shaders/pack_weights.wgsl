// Reorders weights from a tensor's order to a layer's: packed[i][j][k] = tensor[i·strides.x +
// j·strides.y + k·strides.z + offset]. For a Winograd convolution, i is a place of the transformed
// kernel G g Gᵀ, where g is the 3 × 3 kernel at tensor[j·strides.y + k·strides.z + offset].
//
// tensor  [...]                              as stored in a checkpoint
// packed  [counts.x][counts.y][counts.z]     zero where j or k is not `used`
//
// One invocation per j and k computes all i; the statement with `$p` is repeated for the 6 places
// of a row (src/wgsl/unroll.ts).
// Source: Lavin and Gray 2015, see winograd_input.wgsl.
override WINOGRAD: bool;

struct Order {
  counts: vec3u,
  offset: u32,
  strides: vec3u,
  used: vec2u,
}

@group(0) @binding(0) var<storage, read> tensor: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<output1>;
@group(0) @binding(2) var<uniform> order: Order;

// Powers of the points 0, 5/8, −5/8, 3/2, −3/2, each divided by the product of its point's
// differences from the others; then infinity.
const G = array<vec3f, 6>(
  vec3f(256, 0, 0) / 225,
  vec3f(64, 40, 25) * -32 / 2975,
  vec3f(64, -40, 25) * -32 / 2975,
  vec3f(4, 6, 9) * 32 / 1071,
  vec3f(4, -6, 9) * 32 / 1071,
  vec3f(0, 0, 1),
);

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let plane = order.counts.y * order.counts.z;
  if (index >= plane) {
    return;
  }
  let at = vec2u(index / order.counts.z, index % order.counts.z);
  let inside = all(at < order.used);
  let first = select(0u, order.offset + dot(at, order.strides.yz), inside);
  if (!WINOGRAD) {
    for (var i = 0u; i < order.counts.x; i++) {
      packed[i * plane + index] = output1(select(0.0, tensor[first + i * order.strides.x], inside));
    }
    return;
  }
  let top = vec3f(tensor[first], tensor[first + 1u], tensor[first + 2u]);
  let middle = vec3f(tensor[first + 3u], tensor[first + 4u], tensor[first + 5u]);
  let bottom = vec3f(tensor[first + 6u], tensor[first + 7u], tensor[first + 8u]);
  for (var y = 0u; y < 6u; y++) {
    let row = select(vec3f(), G[y].x * top + G[y].y * middle + G[y].z * bottom, inside);
    let to = y * 6u * plane + index;
    packed[to + $pu * plane] = output1(dot(G[$p], row));
  }
}
