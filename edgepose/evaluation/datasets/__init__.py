"""Pictures of persons with known joints, whatever their format: one reader a file, one kind of record.

:func:`open_dataset` recognises the format from the content: edgepose's own ``annotations.json``, MPII's official
``.mat``, the common MPII JSON splits, COCO keypoints, pictures with a ``boxes.csv``, and plain folders of pictures.
"""

from edgepose.evaluation.datasets.opening import open_dataset, refuse_unused_images
from edgepose.evaluation.datasets.records import PersonRecord, PoseDataset

__all__ = ["PersonRecord", "PoseDataset", "open_dataset", "refuse_unused_images"]
