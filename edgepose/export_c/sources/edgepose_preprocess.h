/* From a frame to the engine's input, and from the decoder's joints back to pixels of the frame. */
#ifndef EDGEPOSE_PREPROCESS_H
#define EDGEPOSE_PREPROCESS_H

#include <stddef.h>

#include "edgepose_decoder.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pixels of 8 bits a channel. row_bytes: from one row to the next; pixel_bytes: from one pixel to the next; red, green,
 * blue: where in a pixel they are. {pixels, w, h, 3 * w, 3, 2, 1, 0} is packed BGR; 1, 0, 0, 0 at the end is grey. */
typedef struct {
    const uint8_t *pixels;
    int width, height;
    size_t row_bytes;
    int pixel_bytes, red, green, blue;
} edgepose_frame;

/* x, y, width, height in pixels of the frame; what of it lies outside is black. */
typedef struct {
    double x, y, width, height;
} edgepose_region;

/* Where a region lies in the input, and the way back. */
typedef struct {
    int left, top, width, height;                                      /* region, in pixels of the frame */
    int pad_x, pad_y, resized_width, resized_height;                   /* in pixels of the input */
    int visible_left, visible_top, visible_right, visible_bottom;      /* of the region, in pixels of the frame */
} edgepose_transform;

/* Where the region (NULL: the whole frame) goes, exactly as edgepose.runtime.preprocess places it. For firmware that
 * resizes with hardware: put the region, resized, at (pad_x, pad_y) with edgepose_fill. Returns EDGEPOSE_OK,
 * EDGEPOSE_BAD_FRAME for a size that is none, EDGEPOSE_BAD_REGION for one outside the frame or out of proportion. */
int edgepose_place(int width, int height, const edgepose_region *region, edgepose_transform *transform);

/* Black everywhere, then the resized region (packed RGB, row_bytes from row to row) looked up into its place. */
void edgepose_fill(const uint8_t *rgb, size_t row_bytes, const edgepose_transform *transform, edgepose_input *tensor);

/* All at once: place, resize (a triangle as wide as the anti-aliasing of the Python half) and fill. */
int edgepose_prepare(const edgepose_frame *frame, const edgepose_region *region, edgepose_input *tensor,
                     edgepose_transform *transform);

/* Joints of edgepose_decode to pixels of the frame, in place; what fell into the padding is moved to the border. */
void edgepose_to_frame(const edgepose_transform *transform, edgepose_joint joints[EDGEPOSE_JOINTS]);

#ifdef __cplusplus
}
#endif
#endif
