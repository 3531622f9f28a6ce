/* From heatmaps to joints: the argmax of the upsampled (and smoothed) map, without computing the map.
 *
 * The same joints as edgepose.runtime.decoder finds, by the same search. Portable C99; nothing is allocated, nothing
 * is static and writable: any number of threads may decode, each with a workspace of its own. */
#ifndef EDGEPOSE_DECODER_H
#define EDGEPOSE_DECODER_H

#include "edgepose_model.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EDGEPOSE_FULL_HEIGHT (EDGEPOSE_HEATMAP_HEIGHT * EDGEPOSE_UPSAMPLING)
#define EDGEPOSE_FULL_WIDTH (EDGEPOSE_HEATMAP_WIDTH * EDGEPOSE_UPSAMPLING)

/* x, y: pixels of the full map, where the centre of the first one is 0.5; after edgepose_to_frame, pixels of the
 * frame. score: about 1 where the network is certain, near 0 where it sees nothing. */
typedef struct {
    float x, y, score;
} edgepose_joint;

/* Used by the one joint in some thousands where two pixels are equal but for float32 rounding. */
typedef struct {
    float maps[2][EDGEPOSE_FULL_HEIGHT * EDGEPOSE_FULL_WIDTH];
} edgepose_workspace;

enum { EDGEPOSE_OK = 0, EDGEPOSE_NOT_FINITE = -1, EDGEPOSE_BAD_FRAME = -2, EDGEPOSE_BAD_REGION = -3 };

/* Fill joints from the engine's output tensor. Returns EDGEPOSE_OK, or EDGEPOSE_NOT_FINITE where a heatmap is broken
 * (joints are then untouched). */
int edgepose_decode(const edgepose_heatmap *heatmaps, edgepose_workspace *workspace,
                    edgepose_joint joints[EDGEPOSE_JOINTS]);

#ifdef __cplusplus
}
#endif
#endif
