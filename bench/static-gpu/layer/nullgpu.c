// A Vulkan layer that makes a driver usable whose GPU is not there. Pipelines are compiled by the driver; memory is the
// host's; recorded commands and submits do nothing, and every fence is signalled.
//
// If PANPP_NULLGPU_OUT names a file, it gets a line of JSON for every compute pipeline (the driver's statistics, its
// assembly, milliseconds of CPU time of the compilation) and one for every submit that has dispatches (how many, and how
// many barriers). Handles that this layer makes up never reach the driver.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <vulkan/vulkan.h>
#include <vulkan/vk_layer.h>

#define EXPORT __attribute__((visibility("default")))

static PFN_vkGetInstanceProcAddr nextInstanceProc;
static PFN_vkGetDeviceProcAddr nextDeviceProc;
static VkInstance theInstance;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

EXPORT PFN_vkVoidFunction VKAPI_CALL nullgpu_GetInstanceProcAddr(VkInstance instance, const char *name);
EXPORT PFN_vkVoidFunction VKAPI_CALL nullgpu_GetDeviceProcAddr(VkDevice device, const char *name);

// ---- instance and device ----

// The loader's link to the next layer or the driver.
static VkLayerInstanceCreateInfo *linkOf(const void *chain, VkStructureType type) {
  for (VkLayerInstanceCreateInfo *link = (void *)chain; link; link = (void *)link->pNext)
    if (link->sType == type && link->function == VK_LAYER_LINK_INFO) return link;
  return NULL;
}

static VkResult VKAPI_CALL createInstance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *alloc, VkInstance *instance) {
  VkLayerInstanceCreateInfo *link = linkOf(info->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
  if (!link) return VK_ERROR_INITIALIZATION_FAILED;
  nextInstanceProc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  VkResult result = ((PFN_vkCreateInstance)nextInstanceProc(NULL, "vkCreateInstance"))(info, alloc, instance);
  if (result == VK_SUCCESS) theInstance = *instance;
  return result;
}

static VkResult VKAPI_CALL createDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *alloc, VkDevice *device) {
  VkLayerDeviceCreateInfo *link = (void *)linkOf(info->pNext, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
  if (!link) return VK_ERROR_INITIALIZATION_FAILED;
  PFN_vkGetInstanceProcAddr next = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  nextDeviceProc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  // The program did not ask for the statistics; we do.
  const char **names = calloc(info->enabledExtensionCount + 1, sizeof *names);
  memcpy(names, info->ppEnabledExtensionNames, info->enabledExtensionCount * sizeof *names);
  names[info->enabledExtensionCount] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
    .pNext = (void *)info->pNext,
    .pipelineExecutableInfo = VK_TRUE,
  };
  VkDeviceCreateInfo own = *info;
  own.pNext = &feature;
  own.ppEnabledExtensionNames = names;
  own.enabledExtensionCount++;
  VkResult result = ((PFN_vkCreateDevice)next(theInstance, "vkCreateDevice"))(physical, &own, alloc, device);
  free(names);
  return result;
}

// ---- what is written down ----

static FILE *openReport(void) {
  const char *path = getenv("PANPP_NULLGPU_OUT");
  return path ? fopen(path, "a") : NULL;
}

static void writeText(FILE *out, const char *text) {
  fputc('"', out);
  for (; *text; text++) {
    unsigned char c = *text;
    if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
    else if (c == '\n') fputs("\\n", out);
    else if (c >= ' ' && c < 127) fputc(c, out);
    else fputc(' ', out);
  }
  fputc('"', out);
}

static void writeStatistics(FILE *out, VkDevice device, const VkPipelineExecutableInfoKHR *which) {
  enum { most = 96 };
  VkPipelineExecutableStatisticKHR all[most];
  for (int i = 0; i < most; i++) all[i] = (VkPipelineExecutableStatisticKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
  uint32_t count = most;
  PFN_vkGetPipelineExecutableStatisticsKHR get = (void *)nextDeviceProc(device, "vkGetPipelineExecutableStatisticsKHR");
  if (get(device, which, &count, all) < 0) count = 0;
  fputs("\"statistics\":{", out);
  for (uint32_t i = 0; i < count; i++) {
    if (i) fputc(',', out);
    writeText(out, all[i].name);
    switch (all[i].format) {
      case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: fprintf(out, ":%d", all[i].value.b32 != 0); break;
      case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: fprintf(out, ":%lld", (long long)all[i].value.i64); break;
      case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: fprintf(out, ":%llu", (unsigned long long)all[i].value.u64); break;
      default: fprintf(out, ":%g", all[i].value.f64);
    }
  }
  fputc('}', out);
}

static void writeAssembly(FILE *out, VkDevice device, const VkPipelineExecutableInfoKHR *which) {
  enum { most = 64 };
  VkPipelineExecutableInternalRepresentationKHR forms[most];
  for (int i = 0; i < most; i++) forms[i] = (VkPipelineExecutableInternalRepresentationKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR};
  uint32_t count = most;
  PFN_vkGetPipelineExecutableInternalRepresentationsKHR get = (void *)nextDeviceProc(device, "vkGetPipelineExecutableInternalRepresentationsKHR");
  if (get(device, which, &count, forms) < 0) return;
  for (uint32_t i = 0; i < count; i++) forms[i].pData = calloc(forms[i].dataSize + 1, 1);
  get(device, which, &count, forms);
  for (uint32_t i = 0; i < count; i++) {
    // "Assembly" in RADV, "GEN Assembly" in ANV.
    if (strstr(forms[i].name, "ssembly")) { fputs(",\"assembly\":", out); writeText(out, forms[i].pData); }
    free(forms[i].pData);
  }
}

static void writePipeline(VkDevice device, VkPipeline pipeline, double milliseconds) {
  FILE *out = openReport();
  if (!out) return;
  enum { most = 4 };
  VkPipelineExecutablePropertiesKHR executables[most];
  for (int i = 0; i < most; i++) executables[i] = (VkPipelineExecutablePropertiesKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
  uint32_t count = most;
  VkPipelineInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = pipeline};
  PFN_vkGetPipelineExecutablePropertiesKHR get = (void *)nextDeviceProc(device, "vkGetPipelineExecutablePropertiesKHR");
  if (get(device, &info, &count, executables) < 0) count = 0;
  fprintf(out, "{\"kind\":\"pipeline\",\"milliseconds\":%.2f,\"executables\":[", milliseconds);
  for (uint32_t i = 0; i < count; i++) {
    VkPipelineExecutableInfoKHR which = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = pipeline, .executableIndex = i};
    fprintf(out, "%s{\"subgroupSize\":%u,", i ? "," : "", executables[i].subgroupSize);
    writeStatistics(out, device, &which);
    writeAssembly(out, device, &which);
    fputc('}', out);
  }
  fputs("]}\n", out);
  fclose(out);
}

static double cpuMilliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static VkResult VKAPI_CALL createComputePipelines(VkDevice device, VkPipelineCache cache, uint32_t count, const VkComputePipelineCreateInfo *infos,
                                                  const VkAllocationCallbacks *alloc, VkPipeline *pipelines) {
  VkComputePipelineCreateInfo *own = calloc(count, sizeof *own);
  for (uint32_t i = 0; i < count; i++) {
    own[i] = infos[i];
    own[i].flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
    if (getenv("PANPP_NULLGPU_OUT")) own[i].flags |= VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
  }
  pthread_mutex_lock(&turn);
  double before = cpuMilliseconds();
  PFN_vkCreateComputePipelines create = (void *)nextDeviceProc(device, "vkCreateComputePipelines");
  VkResult result = create(device, VK_NULL_HANDLE, count, own, alloc, pipelines);
  double spent = cpuMilliseconds() - before;
  if (result == VK_SUCCESS) for (uint32_t i = 0; i < count; i++) writePipeline(device, pipelines[i], spent / count);
  pthread_mutex_unlock(&turn);
  free(own);
  return result;
}

// ---- commands: counted, not recorded ----

static long dispatches, barriers, dispatchesAfterBarrier;
static int barrierPending;

static void VKAPI_CALL cmdPipelineBarrier(VkCommandBuffer buffer, VkPipelineStageFlags from, VkPipelineStageFlags to, VkDependencyFlags flags,
                                          uint32_t memories, const VkMemoryBarrier *memory, uint32_t buffers, const VkBufferMemoryBarrier *ofBuffers,
                                          uint32_t images, const VkImageMemoryBarrier *ofImages) {
  barriers++;
  barrierPending = 1;
}

static void VKAPI_CALL cmdDispatch(VkCommandBuffer buffer, uint32_t x, uint32_t y, uint32_t z) {
  dispatches++;
  dispatchesAfterBarrier += barrierPending;
  barrierPending = 0;
}

static VkResult VKAPI_CALL queueSubmit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos, VkFence fence) {
  FILE *out = dispatches ? openReport() : NULL;
  if (out) {
    fprintf(out, "{\"kind\":\"submit\",\"dispatches\":%ld,\"afterBarrier\":%ld,\"barriers\":%ld}\n", dispatches, dispatchesAfterBarrier, barriers);
    fclose(out);
  }
  dispatches = barriers = dispatchesAfterBarrier = barrierPending = 0;
  return VK_SUCCESS;
}

static uint64_t VKAPI_CALL nothing(void) { return VK_SUCCESS; }

// ---- memory, buffers, descriptors, synchronisation, queries: made up, since without a device a driver has no memory types ----

struct object { VkDeviceSize size; void *bytes; };

static struct object *newObject(VkDeviceSize size) {
  struct object *made = calloc(1, sizeof *made);
  made->size = size;
  return made;
}

static VkResult VKAPI_CALL createObject(VkDevice device, const void *info, const void *alloc, void **out) {
  *out = newObject(0);
  return VK_SUCCESS;
}

static void VKAPI_CALL destroyObject(VkDevice device, void *object, const void *alloc) {
  if (!object) return;
  free(((struct object *)object)->bytes);
  free(object);
}

static VkPhysicalDeviceMemoryProperties memoryTypes(void) {
  const VkMemoryPropertyFlags host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  return (VkPhysicalDeviceMemoryProperties){
    .memoryHeapCount = 2,
    .memoryHeaps = {{24ull << 30, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {16ull << 30, 0}},
    .memoryTypeCount = 3,
    .memoryTypes = {{VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0}, {host, 1}, {host | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, 1}},
  };
}

static void VKAPI_CALL getMemoryProperties(VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties *out) { *out = memoryTypes(); }
static void VKAPI_CALL getMemoryProperties2(VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties2 *out) { out->memoryProperties = memoryTypes(); }

static VkResult VKAPI_CALL createBuffer(VkDevice device, const VkBufferCreateInfo *info, const void *alloc, VkBuffer *out) {
  *out = (VkBuffer)newObject(info->size);
  return VK_SUCCESS;
}

static VkMemoryRequirements requirementsOf(VkBuffer buffer) {
  return (VkMemoryRequirements){(((struct object *)buffer)->size + 255) & ~255ull, 256, 7};
}

static void VKAPI_CALL getBufferRequirements(VkDevice device, VkBuffer buffer, VkMemoryRequirements *out) { *out = requirementsOf(buffer); }

static void VKAPI_CALL getBufferRequirements2(VkDevice device, const VkBufferMemoryRequirementsInfo2 *info, VkMemoryRequirements2 *out) {
  out->memoryRequirements = requirementsOf(info->buffer);
  for (VkBaseOutStructure *each = out->pNext; each; each = each->pNext) {
    if (each->sType != VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS) continue;
    ((VkMemoryDedicatedRequirements *)each)->prefersDedicatedAllocation = VK_FALSE;
    ((VkMemoryDedicatedRequirements *)each)->requiresDedicatedAllocation = VK_FALSE;
  }
}

static VkResult VKAPI_CALL allocateMemory(VkDevice device, const VkMemoryAllocateInfo *info, const void *alloc, VkDeviceMemory *out) {
  *out = (VkDeviceMemory)newObject(info->allocationSize);
  return VK_SUCCESS;
}

static VkResult VKAPI_CALL mapMemory(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size, VkMemoryMapFlags flags, void **out) {
  struct object *mapped = (struct object *)memory;
  if (!mapped->bytes) mapped->bytes = calloc(1, mapped->size + 4096);
  *out = (char *)mapped->bytes + offset;
  return VK_SUCCESS;
}

static VkResult VKAPI_CALL allocateSets(VkDevice device, const VkDescriptorSetAllocateInfo *info, VkDescriptorSet *out) {
  for (uint32_t i = 0; i < info->descriptorSetCount; i++) out[i] = (VkDescriptorSet)newObject(0);
  return VK_SUCCESS;
}

// ---- which function is whose ----

static const struct { const char *name; void *function; } ours[] = {
  {"vkCreateComputePipelines", createComputePipelines},
  {"vkCmdPipelineBarrier", cmdPipelineBarrier},
  {"vkCmdDispatch", cmdDispatch},
  {"vkQueueSubmit", queueSubmit},
  {"vkGetPhysicalDeviceMemoryProperties", getMemoryProperties},
  {"vkGetPhysicalDeviceMemoryProperties2", getMemoryProperties2},
  {"vkGetPhysicalDeviceMemoryProperties2KHR", getMemoryProperties2},
  {"vkCreateBuffer", createBuffer},
  {"vkDestroyBuffer", destroyObject},
  {"vkGetBufferMemoryRequirements", getBufferRequirements},
  {"vkGetBufferMemoryRequirements2", getBufferRequirements2},
  {"vkGetBufferMemoryRequirements2KHR", getBufferRequirements2},
  {"vkAllocateMemory", allocateMemory},
  {"vkFreeMemory", destroyObject},
  {"vkMapMemory", mapMemory},
  {"vkCreateFence", createObject},
  {"vkDestroyFence", destroyObject},
  {"vkCreateSemaphore", createObject},
  {"vkDestroySemaphore", destroyObject},
  {"vkCreateDescriptorPool", createObject},
  {"vkDestroyDescriptorPool", destroyObject},
  {"vkAllocateDescriptorSets", allocateSets},
  {"vkCreateQueryPool", createObject},
  {"vkDestroyQueryPool", destroyObject},
};

static const char *const silent[] = {
  "vkUnmapMemory", "vkBindBufferMemory", "vkBindBufferMemory2", "vkBindBufferMemory2KHR", "vkFlushMappedMemoryRanges",
  "vkInvalidateMappedMemoryRanges", "vkResetDescriptorPool", "vkFreeDescriptorSets", "vkUpdateDescriptorSets",
  "vkGetQueryPoolResults", "vkBeginCommandBuffer", "vkEndCommandBuffer", "vkResetCommandBuffer", "vkResetCommandPool",
  "vkQueueWaitIdle", "vkDeviceWaitIdle", "vkWaitForFences", "vkGetFenceStatus", "vkResetFences", "vkWaitSemaphores",
  "vkWaitSemaphoresKHR", "vkDestroyDevice",
};

static PFN_vkVoidFunction ourFunction(const char *name) {
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) if (!strcmp(name, ours[i].name)) return (PFN_vkVoidFunction)ours[i].function;
  for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) if (!strcmp(name, silent[i])) return (PFN_vkVoidFunction)nothing;
  return strncmp(name, "vkCmd", 5) ? NULL : (PFN_vkVoidFunction)nothing;
}

PFN_vkVoidFunction VKAPI_CALL nullgpu_GetDeviceProcAddr(VkDevice device, const char *name) {
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)nullgpu_GetDeviceProcAddr;
  PFN_vkVoidFunction function = ourFunction(name);
  return function ? function : nextDeviceProc(device, name);
}

PFN_vkVoidFunction VKAPI_CALL nullgpu_GetInstanceProcAddr(VkInstance instance, const char *name) {
  if (!strcmp(name, "vkGetInstanceProcAddr")) return (PFN_vkVoidFunction)nullgpu_GetInstanceProcAddr;
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)nullgpu_GetDeviceProcAddr;
  if (!strcmp(name, "vkCreateInstance")) return (PFN_vkVoidFunction)createInstance;
  if (!strcmp(name, "vkCreateDevice")) return (PFN_vkVoidFunction)createDevice;
  PFN_vkVoidFunction function = ourFunction(name);
  if (function) return function;
  return nextInstanceProc ? nextInstanceProc(instance, name) : NULL;
}

EXPORT VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *version) {
  version->loaderLayerInterfaceVersion = 2;
  version->pfnGetInstanceProcAddr = nullgpu_GetInstanceProcAddr;
  version->pfnGetDeviceProcAddr = nullgpu_GetDeviceProcAddr;
  version->pfnGetPhysicalDeviceProcAddr = NULL;
  return VK_SUCCESS;
}
