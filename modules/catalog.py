"""The list of every module that a suite can name."""

import importlib
from dataclasses import dataclass
from typing import cast

from torch import nn


@dataclass(frozen=True)
class Entry:
    """One module of the catalog.

    Attributes:
        name: what a suite writes behind `module:`.
        target: where the class is, `package.file:Class`.
        paper: the paper that introduced it, or whose structure it follows.
        description: one line.
    """

    name: str
    target: str
    paper: str
    description: str

    def load(self) -> type[nn.Module]:
        """Import the class."""
        module, _, attribute = self.target.partition(":")
        return cast(type[nn.Module], getattr(importlib.import_module(module), attribute))


CATALOG: tuple[Entry, ...] = (
    Entry(
        name="ppm",
        target="modules.pyramid_pooling:PyramidPooling",
        paper="Zhao et al., Pyramid Scene Parsing Network, 2017",
        description="Pyramid pooling head: averages over 1, 2, 3 and 6 regions per side.",
    ),
    Entry(
        name="aspp",
        target="modules.aspp:ASPP",
        paper="Chen et al., Rethinking Atrous Convolution (DeepLabv3), 2017",
        description="Atrous spatial pyramid head: a 1x1, three dilated 3x3 and the pooled image.",
    ),
    Entry(
        name="self_attention",
        target="modules.self_attention:SelfAttention",
        paper="Yuan et al., OCNet, Eq. 10 and 11; Wang et al., Non-local, 2018",
        description="Dense relation between all positions; also the non-local block.",
    ),
    Entry(
        name="interlaced",
        target="modules.interlaced:InterlacedSelfAttention",
        paper="Yuan et al., OCNet, Algorithm 1",
        description="Interlaced sparse self-attention: a global, then a local relation.",
    ),
    Entry(
        name="base_oc",
        target="modules.object_context:BaseOC",
        paper="Yuan et al., OCNet, Figure 5 b",
        description="Base object context head over dense or interlaced attention.",
    ),
    Entry(
        name="pyramid_oc",
        target="modules.object_context:PyramidOC",
        paper="Yuan et al., OCNet, Figure 5 c",
        description="Object context in the regions of a spatial pyramid.",
    ),
    Entry(
        name="asp_oc",
        target="modules.object_context:ASPOC",
        paper="Yuan et al., OCNet, Figure 5 d",
        description="ASPP with object context in place of the pooled image.",
    ),
    Entry(
        name="danet",
        target="modules.dual_attention:DANet",
        paper="Fu et al., Dual Attention Network, 2019",
        description="Head that sums position and channel attention.",
    ),
    Entry(
        name="position_attention",
        target="modules.dual_attention:PositionAttention",
        paper="Fu et al., Dual Attention Network, 2019",
        description="Position attention alone.",
    ),
    Entry(
        name="channel_attention",
        target="modules.dual_attention:ChannelAttention",
        paper="Fu et al., Dual Attention Network, 2019",
        description="Channel attention alone.",
    ),
    Entry(
        name="rcca",
        target="modules.criss_cross:RCCA",
        paper="Huang et al., CCNet, 2019",
        description="Head over recurrent criss-cross attention.",
    ),
    Entry(
        name="criss_cross",
        target="modules.criss_cross:CrissCrossAttention",
        paper="Huang et al., CCNet, 2019",
        description="Criss-cross attention alone, repeatable.",
    ),
    Entry(
        name="cgnl",
        target="modules.compact_generalized:CGNL",
        paper="Yue et al., Compact Generalized Non-local Network, 2018",
        description="Head over the compact generalized non-local block.",
    ),
    Entry(
        name="cgnl_block",
        target="modules.compact_generalized:CompactGeneralizedNonLocal",
        paper="Yue et al., Compact Generalized Non-local Network, 2018",
        description="Compact generalized non-local block alone.",
    ),
    Entry(
        name="efficient_attention",
        target="modules.efficient_attention:EfficientAttentionHead",
        paper="Shen et al., Efficient Attention, 2018",
        description="Head over attention that is linear in the number of positions.",
    ),
    Entry(
        name="efficient_attention_block",
        target="modules.efficient_attention:EfficientAttention",
        paper="Shen et al., Efficient Attention, 2018",
        description="Attention that is linear in the number of positions, alone.",
    ),
)

BY_NAME = {entry.name: entry for entry in CATALOG}
