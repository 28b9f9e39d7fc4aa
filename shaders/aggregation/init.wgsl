// Pixel aggregation 1: text = textLogit > 0, kernel = kernelLogit > 0 and text; every pixel of each becomes its own root.
//
// map           [height][width][2]  vec4: text logit, kernel logit, instance vector 0, 1 | 2, 3, unused
// textParent    [height][width]     a pixel of the same component with a smaller or the same index; NONE outside text
// kernelParent  [height][width]
// kernelArea    [height][width]     by root
// components    [height][width]     by root
// claims, labels [height][width]
//
// One invocation a pixel; the other arrays are cleared on the way.
@group(0) @binding(0) var<storage, read> map: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> textParent: array<u32>;
@group(0) @binding(2) var<storage, read_write> kernelParent: array<u32>;
@group(0) @binding(3) var<storage, read_write> kernelArea: array<u32>;
@group(0) @binding(4) var<storage, read_write> components: array<TextComponent>;
@group(0) @binding(5) var<storage, read_write> claims: array<u32>;
@group(0) @binding(6) var<storage, read_write> labels: array<u32>;
@group(0) @binding(7) var<uniform> sizes: Sizes;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pixel = (group.y * groups.x + group.x) * 64u + lane;
  if (pixel >= sizes.height * sizes.width) {
    return;
  }
  let logits = map[pixel * 2u].xy;
  let isText = logits.x > 0.0;
  textParent[pixel] = select(NONE, pixel, isText);
  kernelParent[pixel] = select(NONE, pixel, isText && logits.y > 0.0);
  kernelArea[pixel] = 0u;
  components[pixel] = TextComponent(0u, NONE, 0u, NONE, NONE, 0u, 0u, 0u);
  claims[pixel] = NONE;
  labels[pixel] = 0u;
}
