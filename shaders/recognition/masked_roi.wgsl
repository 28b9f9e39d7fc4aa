// Masked RoI: the features of every region at 8 × 32 positions, whatever its place and size. The
// feature map is upsampled to the image's size (bilinear), multiplied by the region's mask,
// cropped, transposed if the crop is upright, and resized (bilinear).
//
// features [mapHeight][mapWidth][32]   vec4 of channels, at 1/4 of the image
// regions  [count]                     crops in pixels of the image, and where their masks lie
// masks    [words]                     the regions' masks: bits, row after row, lowest bit first
// crops    [count][8][32][32]          vec4 of channels
//
// Nothing of the image's size is stored. One of the 256 positions reads 4 positions of the crop,
// and each of those reads 4 of the feature map. A workgroup computes 16 positions of a region:
// first each lane finds the reads and weights of one crop position, then each lane sums one vec4 of
// channels.
// Source: PAN++ paper, masked RoI; spec, Recognition 2.
struct Sizes {
  imageHeight: u32,
  imageWidth: u32,
  mapHeight: u32,
  mapWidth: u32,
}

struct Settings {
  // Regions in this run.
  count: u32,
  // Image pixels per mask pixel, along each axis.
  maskScale: u32,
}

// Rows and columns of the crop in the image; the mask's rectangle in mask pixels, and where its
// bits begin.
struct Region {
  top: u32,
  left: u32,
  height: u32,
  width: u32,
  maskTop: u32,
  maskLeft: u32,
  maskHeight: u32,
  maskWidth: u32,
  firstWord: u32,
}

@group(0) @binding(0) var<storage, read> features: array<input4>;
@group(0) @binding(1) var<storage, read> regions: array<Region>;
@group(0) @binding(2) var<storage, read> masks: array<u32>;
@group(0) @binding(3) var<storage, read_write> crops: array<vec4f>;
@group(0) @binding(4) var<uniform> settings: Settings;
@group(0) @binding(5) var<uniform> sizes: Sizes;

// src/recognition/plan.ts adds the constants CROP_HEIGHT, CROP_WIDTH, CHANNELS, and OWN: positions
// of a workgroup, each with 4 positions of the crop, each with 4 of the feature map.
const CROP = vec2u(CROP_WIDTH, CROP_HEIGHT);
const POSITIONS = CROP_HEIGHT * CROP_WIDTH;
const CHANNELS4 = CHANNELS / 4u;

var<workgroup> reads: array<vec4u, 64>;
var<workgroup> shares: array<vec4f, 64>;

// One of the two samples that bilinear resampling from `size` to `outSize` positions reads along an
// axis (half-pixel centres, clamped).
struct Tap {
  at: u32,
  share: f32,
}

fn tap(position: u32, size: u32, outSize: u32, high: bool) -> Tap {
  let source = max((f32(position) + 0.5) * (f32(size) / f32(outSize)) - 0.5, 0.0);
  let low = min(u32(source), size - 1u);
  let share = source - f32(low);
  if (high) {
    return Tap(min(low + 1u, size - 1u), share);
  }
  return Tap(low, 1.0 - share);
}

fn isMasked(region: Region, y: u32, x: u32) -> bool {
  // Left of or above the mask's rectangle, the difference wraps to a large number.
  let row = y / settings.maskScale - region.maskTop;
  let column = x / settings.maskScale - region.maskLeft;
  if (row >= region.maskHeight || column >= region.maskWidth) {
    return false;
  }
  let bit = row * region.maskWidth + column;
  return ((masks[region.firstWord + bit / 32u] >> (bit % 32u)) & 1u) == 1u;
}

// The mask max-pooled 3×3 inside the crop: neighbours beyond the crop are clamped to its border.
fn isNearMask(region: Region, y: u32, x: u32) -> bool {
  let last = vec2u(region.left + region.width, region.top + region.height) - 1u;
  let low = max(vec2u(x, y), vec2u(region.left, region.top) + 1u) - 1u;
  let high = min(vec2u(x, y) + 1u, last);
  for (var row = low.y; row <= high.y; row++) {
    for (var column = low.x; column <= high.x; column++) {
      if (isMasked(region, row, column)) {
        return true;
      }
    }
  }
  return false;
}

// Finds what a lane's position of the crop reads from the feature map, and with what weights.
fn findReads(region: Region, first: u32, lane: u32) {
  let position = first + lane / 4u;
  let corner = lane % 4u;
  let isUpright = 2u * region.height > 3u * region.width;
  let regionSize = vec2u(region.width, region.height);
  let size = select(regionSize, regionSize.yx, isUpright);
  let across = tap(position % CROP.x, size.x, CROP.x, (corner & 1u) == 1u);
  let down = tap(position / CROP.x, size.y, CROP.y, (corner & 2u) == 2u);
  let x = region.left + select(across.at, down.at, isUpright);
  let y = region.top + select(down.at, across.at, isUpright);
  let share = select(0.0, across.share * down.share, isNearMask(region, y, x));

  let left = tap(x, sizes.mapWidth, sizes.imageWidth, false);
  let right = tap(x, sizes.mapWidth, sizes.imageWidth, true);
  let upper = tap(y, sizes.mapHeight, sizes.imageHeight, false);
  let lower = tap(y, sizes.mapHeight, sizes.imageHeight, true);
  let rows = vec4u(upper.at, upper.at, lower.at, lower.at);
  let columns = vec4u(left.at, right.at, left.at, right.at);
  reads[lane] = (rows * sizes.mapWidth + columns) * CHANNELS4;
  let rowShares = vec4f(upper.share, upper.share, lower.share, lower.share);
  let columnShares = vec4f(left.share, right.share, left.share, right.share);
  shares[lane] = share * rowShares * columnShares;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) / (POSITIONS / OWN);
  let first = (group.y * groups.x + group.x) % (POSITIONS / OWN) * OWN;
  if (index >= settings.count) {
    return;
  }
  findReads(regions[index], first, lane);
  workgroupBarrier();
  let channel = lane % CHANNELS4;
  for (var own = lane / CHANNELS4; own < OWN; own += 2u) {
    var sum = vec4f();
    for (var corner = 0u; corner < 4u; corner++) {
      let at = reads[own * 4u + corner] + channel;
      let share = shares[own * 4u + corner];
      sum += share.x * vec4f(features[at.x]) + share.y * vec4f(features[at.y]);
      sum += share.z * vec4f(features[at.z]) + share.w * vec4f(features[at.w]);
    }
    crops[(index * POSITIONS + first + own) * CHANNELS4 + channel] = sum;
  }
}
