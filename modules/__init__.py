"""Context modules of semantic segmentation, one file per mechanism; `catalog` lists them."""
