/* decode_maps < HEATMAPS: the engine's raw output tensors, one after the other, to a line of "x y score" each. */
#include <stdio.h>

#include "edgepose_decoder.h"

#define VALUES (EDGEPOSE_HEATMAP_HEIGHT * EDGEPOSE_HEATMAP_WIDTH * EDGEPOSE_JOINTS)

static edgepose_heatmap heatmaps[VALUES];
static edgepose_workspace workspace;

int main(void)
{
    edgepose_joint joints[EDGEPOSE_JOINTS];
    size_t read;
    while ((read = fread(heatmaps, sizeof heatmaps[0], VALUES, stdin)) == VALUES) {
        int joint;
        const int status = edgepose_decode(heatmaps, &workspace, joints);
        if (status != EDGEPOSE_OK) {
            printf("error %d\n", status);
            continue;
        }
        for (joint = 0; joint < EDGEPOSE_JOINTS; joint++)
            printf("%.9g %.9g %.9g%s", (double)joints[joint].x, (double)joints[joint].y, (double)joints[joint].score,
                   joint + 1 < EDGEPOSE_JOINTS ? " " : "\n");
    }
    if (read != 0 || ferror(stdin)) {
        fprintf(stderr, "error: the input does not end with a whole tensor of %d values\n", (int)VALUES);
        return 1;
    }
    return 0;
}
