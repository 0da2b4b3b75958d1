"""The list of every module that a suite can name."""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # names are listed and completed without PyTorch
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

    def load(self) -> "type[nn.Module]":
        """Import the class."""
        module, _, attribute = self.target.partition(":")
        return cast("type[nn.Module]", getattr(importlib.import_module(module), attribute))


CATALOG: tuple[Entry, ...] = (
    Entry(
        name="ppm",
        target="context_modules.pyramid_pooling:PyramidPooling",
        paper="Zhao et al., Pyramid Scene Parsing Network, 2017",
        description="Pyramid pooling head: averages over 1, 2, 3 and 6 regions per side.",
    ),
    Entry(
        name="aspp",
        target="context_modules.aspp:ASPP",
        paper="Chen et al., Rethinking Atrous Convolution (DeepLabv3), 2017",
        description="Atrous spatial pyramid head: a 1x1, three dilated 3x3 and the pooled image.",
    ),
    Entry(
        name="self_attention",
        target="context_modules.self_attention:SelfAttention",
        paper="Yuan et al., OCNet, Eq. 10 and 11; Wang et al., Non-local, 2018",
        description="Dense relation between all positions; also the non-local block.",
    ),
    Entry(
        name="interlaced",
        target="context_modules.interlaced:InterlacedSelfAttention",
        paper="Yuan et al., OCNet, Algorithm 1",
        description="Interlaced sparse self-attention: a global, then a local relation.",
    ),
    Entry(
        name="base_oc",
        target="context_modules.object_context:BaseOC",
        paper="Yuan et al., OCNet, Figure 5 b",
        description="Base object context head over dense or interlaced attention.",
    ),
    Entry(
        name="pyramid_oc",
        target="context_modules.object_context:PyramidOC",
        paper="Yuan et al., OCNet, Figure 5 c",
        description="Object context in the regions of a spatial pyramid.",
    ),
    Entry(
        name="asp_oc",
        target="context_modules.object_context:ASPOC",
        paper="Yuan et al., OCNet, Figure 5 d",
        description="ASPP with object context in place of the pooled image.",
    ),
    Entry(
        name="danet",
        target="context_modules.dual_attention:DANet",
        paper="Fu et al., Dual Attention Network, 2019",
        description="Head that sums position and channel attention.",
    ),
    Entry(
        name="position_attention",
        target="context_modules.dual_attention:PositionAttention",
        paper="Fu et al., Dual Attention Network, 2019",
        description="Position attention alone.",
    ),
    Entry(
        name="channel_attention",
        target="context_modules.dual_attention:ChannelAttention",
        paper="Fu et al., Dual Attention Network, 2019",
        description="Channel attention alone.",
    ),
    Entry(
        name="rcca",
        target="context_modules.criss_cross:RCCA",
        paper="Huang et al., CCNet, 2019",
        description="Head over recurrent criss-cross attention.",
    ),
    Entry(
        name="criss_cross",
        target="context_modules.criss_cross:CrissCrossAttention",
        paper="Huang et al., CCNet, 2019",
        description="Criss-cross attention alone, repeatable.",
    ),
    Entry(
        name="cgnl",
        target="context_modules.compact_generalized:CGNL",
        paper="Yue et al., Compact Generalized Non-local Network, 2018",
        description="Head over the compact generalized non-local block.",
    ),
    Entry(
        name="cgnl_block",
        target="context_modules.compact_generalized:CompactGeneralizedNonLocal",
        paper="Yue et al., Compact Generalized Non-local Network, 2018",
        description="Compact generalized non-local block alone.",
    ),
    Entry(
        name="efficient_attention",
        target="context_modules.efficient_attention:EfficientAttentionHead",
        paper="Shen et al., Efficient Attention, 2018",
        description="Head over attention that is linear in the number of positions.",
    ),
    Entry(
        name="efficient_attention_block",
        target="context_modules.efficient_attention:EfficientAttention",
        paper="Shen et al., Efficient Attention, 2018",
        description="Attention that is linear in the number of positions, alone.",
    ),
    Entry(
        name="non_local",
        target="context_modules.non_local:NonLocal",
        paper="Wang et al., Non-local Neural Networks, 2018",
        description="Embedded-Gaussian non-local block with its residual.",
    ),
    Entry(
        name="apnb",
        target="context_modules.asymmetric:APNB",
        paper="Zhu et al., Asymmetric Non-local Neural Networks, 2019",
        description="Attention to pooled anchors of the same map.",
    ),
    Entry(
        name="apnb_head",
        target="context_modules.asymmetric:APNBHead",
        paper="Zhu et al., Asymmetric Non-local Neural Networks, 2019",
        description="Head of a reducing 3x3 and APNB.",
    ),
    Entry(
        name="fcn",
        target="context_modules.fcn_head:FCNHead",
        paper="Long et al., Fully Convolutional Networks, 2015; Li et al., SRNet, Table 3",
        description="Two 3x3 convolutions: the frame without a context module.",
    ),
    Entry(
        name="afnb",
        target="context_modules.asymmetric:AFNB",
        paper="Zhu et al., Asymmetric Non-local Neural Networks, 2019",
        description="Fusion of two feature levels by attention to pooled anchors.",
    ),
    Entry(
        name="se",
        target="context_modules.squeeze_excitation:SqueezeExcitation",
        paper="Hu et al., Squeeze-and-Excitation Networks, 2018",
        description="Gates channels by the pooled map.",
    ),
    Entry(
        name="a2net",
        target="context_modules.double_attention:DoubleAttention",
        paper="Chen et al., Double Attention Networks, 2018",
        description="Gathers global descriptors, distributes them to positions.",
    ),
    Entry(
        name="emau",
        target="context_modules.em_attention:EMAU",
        paper="Li et al., Expectation-Maximization Attention Networks, 2019",
        description="Attention to a few bases found by EM.",
    ),
    Entry(
        name="psanet",
        target="context_modules.point_wise_spatial:PSANet",
        paper="Zhao et al., PSANet, 2018",
        description="Head over collect and distribute attention with over-complete maps.",
    ),
    Entry(
        name="psa",
        target="context_modules.point_wise_spatial:PointwiseSpatialAttention",
        paper="Zhao et al., PSANet, 2018",
        description="Collect and distribute attention alone.",
    ),
    Entry(
        name="context_prior",
        target="context_modules.context_prior:ContextPriorLayer",
        paper="Yu et al., Context Prior (CPNet), 2020",
        description="Intra- and inter-class context from a supervised prior map.",
    ),
    Entry(
        name="aggregation_module",
        target="context_modules.context_prior:AggregationModule",
        paper="Yu et al., Context Prior (CPNet), 2020",
        description="Fully separable k x k aggregation.",
    ),
    Entry(
        name="squeeze_reasoning",
        target="context_modules.squeeze_reasoning:SqueezeReasoning",
        paper="Li et al., Squeeze Reasoning (SRNet), 2021",
        description="Graph reasoning on a squeezed global vector.",
    ),
    Entry(
        name="asymmetric_non_local",
        target="context_modules.asymmetric:AsymmetricNonLocal",
        paper="Zhu et al., Asymmetric Non-local Neural Networks, 2019",
        description="Head of AFNB and APNB, or of APNB alone.",
    ),
    Entry(
        name="region_attention",
        target="context_modules.region_attention:RegionAttention",
        paper="Shen et al., Region Attention Network (RANet), 2020",
        description="Regions from boundaries and categories, and interaction between them.",
    ),
    Entry(
        name="graph_guided",
        target="context_modules.graph_guided:GraphGuidedContextFusion",
        paper="Li et al., Graph Guided Context Fusion (GGCF)",
        description="Attention along FULL, LOCAL and GRID graphs, with context pruning.",
    ),
    Entry(
        name="context_head",
        target="context_modules.context_head:ContextHead",
        paper="Fu et al., Dual Attention Network, 2019",
        description="Head that puts any block of this list between 3x3 convolutions.",
    ),
    Entry(
        name="ocr",
        target="context_modules.object_regions:ObjectContext",
        paper="Yuan et al., Object-Contextual Representations (OCR), 2020",
        description="Head that attends to soft regions of a coarse segmentation.",
    ),
    Entry(
        name="dnl",
        target="context_modules.disentangled_non_local:DisentangledNonLocal",
        paper="Yin et al., Disentangled Non-Local Neural Networks, 2020",
        description="Non-local block with a whitened pairwise and a unary term.",
    ),
    Entry(
        name="gc",
        target="context_modules.global_context:GlobalContext",
        paper="Cao et al., GCNet, 2019",
        description="One context vector for all positions, by attention pooling.",
    ),
    Entry(
        name="hamburger",
        target="context_modules.hamburger:Hamburger",
        paper="Geng et al., Is Attention Better Than Matrix Decomposition?, 2021",
        description="Low-rank reconstruction by NMF, VQ or CD between two linear layers.",
    ),
    Entry(
        name="light_ham",
        target="context_modules.hamburger:LightHam",
        paper="Guo et al., SegNeXt, 2022",
        description="Hamburger over several maps, from fine to coarse.",
    ),
    Entry(
        name="external_attention",
        target="context_modules.external_attention:ExternalAttention",
        paper="Guo et al., External Attention using Two Linear Layers, 2021",
        description="Attention to learned vectors, linear in the number of positions.",
    ),
    Entry(
        name="window_attention",
        target="context_modules.window_attention:WindowAttention",
        paper="Liu et al., Swin Transformer, 2021",
        description="Attention inside windows, shifted or not (W-MSA, SW-MSA).",
    ),
    Entry(
        name="swin_blocks",
        target="context_modules.window_attention:SwinBlocks",
        paper="Liu et al., Swin Transformer, 2021",
        description="Two Swin blocks: windows, then shifted windows.",
    ),
    Entry(
        name="neighborhood_attention",
        target="context_modules.neighborhood_attention:NeighborhoodAttention",
        paper="Hassani et al., Neighborhood Attention Transformer, 2023",
        description="Attention to the nearest positions, also dilated.",
    ),
    Entry(
        name="axial_attention",
        target="context_modules.axial_attention:AxialAttention",
        paper="Wang et al., Axial-DeepLab, 2020",
        description="Position-sensitive attention along height, then width.",
    ),
    Entry(
        name="deeplabv3_plus",
        target="context_modules.deeplab_decoder:DeepLabV3Plus",
        paper="Chen et al., Atrous Separable Convolution (DeepLabv3+), 2018",
        description="ASPP and a decoder with a fine map, the first of two.",
    ),
    Entry(
        name="upernet",
        target="context_modules.upernet:UPerNet",
        paper="Xiao et al., Unified Perceptual Parsing (UPerNet), 2018",
        description="Pyramid pooling and a feature pyramid over several maps.",
    ),
    Entry(
        name="semantic_fpn",
        target="context_modules.semantic_fpn:SemanticFPN",
        paper="Kirillov et al., Panoptic Feature Pyramid Networks, 2019",
        description="Feature pyramid over several maps and a light branch that sums it.",
    ),
    Entry(
        name="segformer_head",
        target="context_modules.segformer_head:SegFormerHead",
        paper="Xie et al., SegFormer, 2021",
        description="All-MLP decoder over several maps.",
    ),
    Entry(
        name="resnet",
        target="context_modules.resnet:ResNet",
        paper="He et al., Deep Residual Learning, 2016",
        description="Residual backbone, dilated to output stride 8 or 16.",
    ),
    Entry(
        name="hrnet",
        target="context_modules.hrnet:HRNet",
        paper="Sun et al., High-Resolution Representations, 2019",
        description="HRNetV2 backbone at output stride 4.",
    ),
    Entry(
        name="segmentor",
        target="context_modules.segmentor:Segmentor",
        paper="Zhao et al., Pyramid Scene Parsing Network, 2017",
        description="Backbone, auxiliary head, context head and classifier.",
    ),
    Entry(
        name="mask_rcnn",
        target="context_modules.mask_rcnn:MaskRCNN",
        paper="He et al., Mask R-CNN, 2017",
        description="Detector with FPN on fixed regions, for its cost.",
    ),
)

BY_NAME = {entry.name: entry for entry in CATALOG}


@dataclass(frozen=True)
class Diagnostic:
    """What passes of a module show beside their output; `context_modules.diagnostics` reads it.

    Attributes:
        name: how tables call it.
        head: what stands over its column.
        description: what it is, for the foot of a table.
    """

    name: str
    head: str
    description: str


DIAGNOSTICS: tuple[Diagnostic, ...] = (
    Diagnostic("regions", "Regions", "RANet: how many an image has"),
    Diagnostic("region_size", "Region size", "RANet: positions of a region, mean over an image"),
    Diagnostic(
        "contexts",
        "Contexts",
        "GGCF: contexts of a position, mean over heads; those that Context Pruning keeps",
    ),
)
