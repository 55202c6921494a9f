"""Scores of pairs of videos, from the embeddings of their frames."""

from __future__ import annotations

import numpy as np

from noisylabels.metrics.by_class import Float64, as_directions, as_points
from noisylabels.metrics.evaluation import Floats, Labels
from noisylabels.metrics.metric import Undefined
from noisylabels.metrics.pair_scores import check_pairs, cosines


def mean_frame_cosine(embeddings: Floats, video: Labels, first: Labels, second: Labels) -> Float64:
    """Mean cosine over all pairs of a frame of one video with a frame of the other.

        s_p = 1 / (n_a n_b)  sum_{i in a} sum_{j in b} cos(x_i, x_j)  =  m_a . m_b,
        m_v = (1/n_v) sum_{i in v} x_i / |x_i|

    The double sum is one dot product of the means of unit vectors, so a pair of videos costs as much as a pair of
    images, however many frames they have.

    Args:
        embeddings: x, ``(N, D)``, of frames.
        video: ``(N,)`` in [0, V), the video of each frame.
        first, second: videos, integers ``(P,)``.

    Returns:
        ``(P,)`` in [-1, 1]; higher is likelier the same person.

    Raises:
        ValueError: arrays that do not fit, or a pair that names no video.
        Undefined: a pair names a video without frames, or an embedding of length zero or not finite.

    Reference: the usual score for YouTube Faces (Wolf et al., CVPR 2011), as in Schroff et al., FaceNet, CVPR 2015.
    """
    means = _video_means(as_directions(embeddings), video, first, second)
    return np.asarray(np.clip(np.sum(means[first] * means[second], axis=1), -1, 1))


def cosine_of_mean_embeddings(embeddings: Floats, video: Labels, first: Labels, second: Labels) -> Float64:
    """Cosine between the mean embeddings of the frames of two videos.

        s_p = cos(m_a, m_b),   m_v = (1/n_v) sum_{i in v} x_i

    Embeddings are averaged as they are given, so long ones count more; give unit vectors where they should not.
    Arguments, range and errors as in :func:`mean_frame_cosine`; undefined also where the frames of a video cancel.
    Unlike the mean over frame pairs it does not fall for a video whose frames differ among themselves.

    Reference: template averaging, as in Cao et al., VGGFace2, FG 2018.
    """
    means = _video_means(as_points(embeddings), video, first, second)
    rows, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    return cosines(as_directions(means[rows]), places[: len(first)], places[len(first) :])


def _video_means(points: Float64, video: Labels, first: Labels, second: Labels) -> Float64:
    """Mean of the frames of every video ``(V, D)``, zero where there is none; pairs are held to them."""
    if video.shape != (len(points),) or not np.issubdtype(video.dtype, np.integer) or video.min() < 0:
        raise ValueError(f"video must hold integers from 0 for {len(points)} frames; got {video.dtype} {video.shape}")
    frames = np.bincount(video)
    check_pairs(len(frames), first, second)
    bare = frames[np.concatenate([first, second])] == 0
    if bare.any():
        raise Undefined(f"{np.count_nonzero(bare)} of {2 * len(first)} videos in pairs have no frames")
    order = np.argsort(video, kind="stable")
    present = np.flatnonzero(frames)
    means = np.zeros((len(frames), points.shape[1]))
    starts = (np.cumsum(frames) - frames)[present]
    means[present] = np.add.reduceat(points[order], starts, axis=0) / frames[present, None]
    return means
