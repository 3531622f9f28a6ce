/* find_pose ENGINE PICTURE.ppm [X Y WIDTH HEIGHT]: the joints of the person in a picture, by the TFLite C API.
 *
 * This is where your firmware's own camera goes: everything else is three calls. */
#include <stdio.h>
#include <stdlib.h>

#if defined(EDGEPOSE_LITERT_HEADERS)
#include "tflite/c/c_api.h"
#else
#include "tensorflow/lite/c/c_api.h"
#endif

#include "edgepose_decoder.h"
#include "edgepose_preprocess.h"

#define MAX_PIXELS (64L * 1024 * 1024)

static edgepose_input input[EDGEPOSE_INPUT_SIDE * EDGEPOSE_INPUT_SIDE * 3];
static edgepose_heatmap heatmaps[EDGEPOSE_HEATMAP_HEIGHT * EDGEPOSE_HEATMAP_WIDTH * EDGEPOSE_JOINTS];
static edgepose_workspace workspace;

static int fail(const char *what)
{
    fprintf(stderr, "error: %s\n", what);
    return 1;
}

/* A binary PPM (P6) of 8 bits a channel; NULL where it is none. */
static uint8_t *read_picture(const char *path, int *width, int *height)
{
    uint8_t *pixels = NULL;
    FILE *file = fopen(path, "rb");
    int most = 0;
    if (file == NULL)
        return NULL;
    if (fscanf(file, "P6 %d %d %d", width, height, &most) == 3 && fgetc(file) != EOF && most == 255 && *width > 0 &&
        *height > 0 && (long)*width <= MAX_PIXELS / *height) {
        const size_t size = (size_t)*width * (size_t)*height * 3;
        pixels = malloc(size);
        if (pixels != NULL && fread(pixels, 1, size, file) != size) {
            free(pixels);
            pixels = NULL;
        }
    }
    fclose(file);
    return pixels;
}

int main(int argc, char **argv)
{
    edgepose_joint joints[EDGEPOSE_JOINTS];
    edgepose_transform transform;
    edgepose_region region;
    edgepose_frame frame = {NULL, 0, 0, 0, 3, 0, 1, 2}; /* packed RGB */
    TfLiteModel *model;
    TfLiteInterpreterOptions *options;
    TfLiteInterpreter *interpreter;
    uint8_t *pixels;
    int joint, status;

    if (argc != 3 && argc != 7) {
        fprintf(stderr, "usage: find_pose ENGINE PICTURE.ppm [X Y WIDTH HEIGHT]\n");
        return 2;
    }
    pixels = read_picture(argv[2], &frame.width, &frame.height);
    if (pixels == NULL)
        return fail("the picture is no binary PPM");
    frame.pixels = pixels;
    frame.row_bytes = (size_t)frame.width * 3;
    if (argc == 7) {
        region.x = atof(argv[3]);
        region.y = atof(argv[4]);
        region.width = atof(argv[5]);
        region.height = atof(argv[6]);
    }

    model = TfLiteModelCreateFromFile(argv[1]);
    if (model == NULL)
        return fail("the engine cannot be read");
    options = TfLiteInterpreterOptionsCreate();
    TfLiteInterpreterOptionsSetNumThreads(options, 1);
    interpreter = TfLiteInterpreterCreate(model, options);
    if (interpreter == NULL || TfLiteInterpreterAllocateTensors(interpreter) != kTfLiteOk)
        return fail("the engine cannot be loaded");

    status = edgepose_prepare(&frame, argc == 7 ? &region : NULL, input, &transform);
    if (status != EDGEPOSE_OK)
        return fail("the frame or region cannot be used");
    /* Sizes that differ are refused here: another engine than this code was written for. */
    if (TfLiteTensorCopyFromBuffer(TfLiteInterpreterGetInputTensor(interpreter, 0), input, sizeof input) != kTfLiteOk ||
        TfLiteInterpreterInvoke(interpreter) != kTfLiteOk ||
        TfLiteTensorCopyToBuffer(TfLiteInterpreterGetOutputTensor(interpreter, 0), heatmaps, sizeof heatmaps) !=
            kTfLiteOk)
        return fail("the engine failed");
    if (edgepose_decode(heatmaps, &workspace, joints) != EDGEPOSE_OK)
        return fail("the engine computed values that are not finite");
    edgepose_to_frame(&transform, joints);

    for (joint = 0; joint < EDGEPOSE_JOINTS; joint++)
        printf("%-15s %9.3f %9.3f   %.4f\n", edgepose_joint_names[joint], (double)joints[joint].x,
               (double)joints[joint].y, (double)joints[joint].score);
    TfLiteInterpreterDelete(interpreter);
    TfLiteInterpreterOptionsDelete(options);
    TfLiteModelDelete(model);
    free(pixels);
    return 0;
}
