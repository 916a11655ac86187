"""GraSS: crops that follow the gradient of a contrastive loss."""
