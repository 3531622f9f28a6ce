"""Delegate libraries in the place of libedgetpu: each built from C, and each with one of the ways of the real one."""

import os
import shutil
import subprocess

import pytest

# Laid out as TensorFlow Lite's C API (``core/c/common.h``): as far as it is used here, alike from 2.5 to LiteRT 2.
_SOURCE = r"""
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { int size; int data[]; } IntArray;
typedef struct Context Context;
typedef struct {
  int type; char* data; IntArray* dims; float scale; int32_t zero_point; int allocation_type; size_t bytes;
  void* allocation; char* name; void* delegate; int buffer; char stale; char variable;
  int quantisation; void* parameters; void* sparsity; IntArray* signature;
} Tensor;
typedef struct { IntArray* inputs; IntArray* outputs; } Node;
typedef struct {
  void* (*init)(Context*, const char*, size_t);
  void (*free)(Context*, void*);
  int (*prepare)(Context*, Node*);
  int (*invoke)(Context*, Node*);
  const char* (*profiling)(const Context*, const Node*);
  int32_t builtin_code;
  const char* custom_name;
  int version;
  void* newer[6];
} Registration;
typedef struct Delegate {
  void* data;
  int (*prepare)(Context*, struct Delegate*);
  void* copy_from; void* copy_to; void* free_buffer;
  int64_t flags;
  void* newer[4];
} Delegate;
struct Context {
  size_t tensors_size;
  int (*execution_plan)(Context*, IntArray**);
  Tensor* tensors;
  void* impl;
  void* resize;
  void (*report)(Context*, const char*, ...);
  void* add_tensors;
  int (*node)(Context*, int, Node**, Registration**);
  int (*replace)(Context*, Registration, const IntArray*, Delegate*);
};

static void crash(void) { raise(SIGSEGV); }

static int kernel_prepare(Context* context, Node* node) {
#ifdef OLD_RUNTIME
  context->report(context,
    "Failed precondition: Package requires runtime version (14), which is newer than this runtime version (13).");
  return 1;
#endif
  return 0;
}

/* Every output number is the input number at the same place. */
static int kernel_invoke(Context* context, Node* node) {
#ifdef CRASH_ON_RUN
  crash();
#endif
  Tensor* in = context->tensors + node->inputs->data[0];
  Tensor* out = context->tensors + node->outputs->data[0];
  memcpy(out->data, in->data, out->bytes);
  return 0;
}

static int delegate_prepare(Context* context, Delegate* delegate) {
#ifdef CRASH_ON_OPEN
  crash();
#endif
#ifdef IDLE
  return 0;
#endif
  IntArray* plan;
  if (context->execution_plan(context, &plan)) return 1;
  IntArray* taken = malloc(sizeof(IntArray) + plan->size * sizeof(int));
  taken->size = 0;
  for (int i = 0; i < plan->size; i++) {
    Node* node; Registration* kind;
    if (context->node(context, plan->data[i], &node, &kind)) return 1;
    int ours = kind->custom_name && !strcmp(kind->custom_name, "edgetpu-custom-op");
    if (ours) taken->data[taken->size++] = plan->data[i];
  }
  Registration kernel;
  memset(&kernel, 0, sizeof kernel);
  kernel.prepare = kernel_prepare;
  kernel.invoke = kernel_invoke;
  kernel.custom_name = "EdgeTpuDelegateForCustomOp";
  kernel.version = 1;
  int failed = context->replace(context, kernel, taken, delegate);
  free(taken);
  return failed;
}

#ifndef NO_SYMBOLS
void* tflite_plugin_create_delegate(char** keys, char** values, size_t count, void (*report)(const char*)) {
#ifdef NO_DEVICE
  return NULL;
#endif
#ifdef REASON
  char told[200] = "options:";
  for (size_t i = 0; i < count; i++) {
    strncat(told, " ", 199 - strlen(told)); strncat(told, keys[i], 199 - strlen(told));
    strncat(told, "=", 199 - strlen(told)); strncat(told, values[i], 199 - strlen(told));
  }
  report(told);
  return NULL;
#endif
#ifdef CRASH_ON_LOAD
  crash();
#endif
#ifdef EXITS
  _exit(9);
#endif
#ifdef HANG
  for (;;) pause();
#endif
  Delegate* delegate = calloc(1, sizeof *delegate);
  delegate->prepare = delegate_prepare;
  delegate->flags = 1; /* dynamic tensors allowed: else the runtime prepares the unresolved operator first */
  return delegate;
}

void tflite_plugin_destroy_delegate(void* delegate) { free(delegate); }
#endif
"""


def build_delegate(folder, behaviour, name="libedgetpu.so.1"):
    """Path of a delegate library of ``behaviour`` (a macro of the source); the test is skipped without a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to build a delegate with")
    source, library = os.path.join(str(folder), behaviour + ".c"), os.path.join(str(folder), name)
    with open(source, "w") as file:
        file.write(_SOURCE)
    command = [compiler, "-w", "-shared", "-fPIC", "-O1", "-D" + behaviour, "-o", library, source]
    subprocess.check_call(command)
    return library
