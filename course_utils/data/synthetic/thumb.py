"""Inverse kinematics of the thumb: which angles bring its tip where a letter wants it.

Five angles by Levenberg-Marquardt, many hands at once. Marquardt, D. W. (1963). Journal
of the Society for Industrial and Applied Mathematics 11(2).
https://doi.org/10.1137/0111030
"""

import numpy as np

from course_utils.data.synthetic.hand_model import Anatomy, Pose, thumb_joints

# Degrees, in the order of thumb_joints' angles.
LOW = np.array([-45.0, -45.0, -50.0, -15.0, -20.0])
HIGH = np.array([50.0, 45.0, 60.0, 65.0, 85.0])
REST = np.array([0.0, 0.0, 0.0, 15.0, 10.0])
STRETCHED = np.array([7.2, -2.2, 0.5])  # cm from the index knuckle: out to the side
PRESS = 0.15  # cm that flesh gives way where thumb and finger touch
FLESH = np.array([1.05, 1.0, 0.9, 0.78])  # radius at the points of _off_the_fingers
STEP = 0.5  # degrees, of the finite differences
REACH, YIELD = 7, 11  # iterations before, and after the fingers begin to push back


def reach(hand: Anatomy, fingers: np.ndarray, pose: Pose) -> np.ndarray:
    """Angles (n, 5) for thumb_joints: the tip on its target, clear of the fingers.

    fingers: (n, 4, 4, 3) of finger_joints.
    """
    goal = target(hand, fingers, pose)
    angles = np.repeat(REST[None], len(goal), axis=0)
    # At first through the fingers: from its rest they would often be in its way.
    for iterations, push in ((REACH, 0.0), (YIELD, 2.0)):
        weight = push * np.where(pose.thumb_between, 0.15, 1.0)[:, None]

        def residuals(angles, weight=weight):
            joints = thumb_joints(hand, angles)
            return _residuals(hand, fingers, pose, goal, angles, joints, weight)

        angles = _descend(residuals, angles, iterations)
    return angles


def target(hand: Anatomy, fingers: np.ndarray, pose: Pose) -> np.ndarray:
    """Where the thumb's tip should be, cm (n, 3)."""
    finger, joint = pose.thumb_joint.T
    near = fingers[np.arange(len(finger)), finger, joint] + pose.thumb_offset
    return np.where(finger[:, None] < 0, hand.mcp[:, 0] + STRETCHED, near)


def _residuals(hand, fingers, pose, goal, angles, joints, weight) -> np.ndarray:
    """What is wrong with each hand's thumb, in units that make the parts comparable."""
    bone = joints[:, 3] - joints[:, 2]
    bone /= np.linalg.norm(bone, axis=1, keepdims=True)
    beyond = np.maximum(angles - HIGH, 0) + np.maximum(LOW - angles, 0)
    return np.concatenate(
        [
            1.5 * (joints[:, 3] - goal),
            np.nan_to_num(bone - pose.thumb_points),  # NaN: it may point anywhere
            weight * _off_the_fingers(hand, fingers, joints),
            0.008 * (angles - REST),
            0.1 * beyond,
        ],
        axis=1,
    )


def _off_the_fingers(hand: Anatomy, fingers: np.ndarray, joints: np.ndarray):
    """How deep, in cm, four points of the thumb are in each finger bone: (n, 48)."""
    start = fingers[:, None, :, :3].reshape(-1, 1, 12, 3)
    along = np.diff(fingers, axis=2).reshape(-1, 1, 12, 3)
    radius = hand.radii[:, :, :3].reshape(-1, 1, 12)
    taper = np.diff(hand.radii, axis=2).reshape(-1, 1, 12)
    mcp, ip, tip = joints[:, 1], joints[:, 2], joints[:, 3]
    points = np.stack([(mcp + ip) / 2, ip, (ip + tip) / 2, tip], axis=1)
    apart = points[:, :, None] - start
    place = (apart * along).sum(-1) / (along**2).sum(-1)
    place = np.clip(place, 0, 1)
    distance = np.linalg.norm(apart - place[..., None] * along, axis=-1)
    own = FLESH * hand.thickness[:, None]
    gap = distance - (radius + place * taper) - own[:, :, None]
    return np.maximum(-PRESS - gap, 0).reshape(len(joints), -1)


def _descend(residuals, angles: np.ndarray, iterations: int) -> np.ndarray:
    """Levenberg-Marquardt, each hand with its own damping."""
    damping = np.full(len(angles), 0.01)
    error = residuals(angles)
    for _iteration in range(iterations):
        slopes = np.stack(
            [(residuals(angles + d) - error) / STEP for d in STEP * np.eye(5)], axis=-1
        )
        curvature = np.einsum("nri,nrj->nij", slopes, slopes)
        damped = np.einsum("nii->ni", curvature) * damping[:, None]
        curvature = curvature + damped[:, :, None] * np.eye(5)
        gradient = np.einsum("nri,nr->ni", slopes, error)
        move = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        tried = angles - np.clip(move, -20, 20)
        result = residuals(tried)
        better = (result**2).sum(1) < (error**2).sum(1)
        angles = np.where(better[:, None], tried, angles)
        error = np.where(better[:, None], result, error)
        damping = np.where(better, damping * 0.3, damping * 6)
    return angles
