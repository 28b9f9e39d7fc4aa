// Selected texels of a texture, packed as RGBA bytes: the pixels that resizing reads, without a
// copy to the host.
//
// picture  any 2-D texture that is read as floats from 0 to 1
// rows, columns                  texel coordinates, ascending
// pixels   [rows][columns]       RGBA bytes in a u32, red lowest
//
// One invocation per pixel.
@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<u32>;
@group(0) @binding(3) var<storage, read_write> pixels: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let width = arrayLength(&columns);
  if (index >= width * arrayLength(&rows)) {
    return;
  }
  let at = vec2u(columns[index % width], rows[index / width]);
  pixels[index] = pack4x8unorm(textureLoad(picture, at, 0));
}
